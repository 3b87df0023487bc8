#include <apps/weir/bench_api.hpp>

#include <weir/base/executor.hpp>

namespace weir::bench {
namespace {

/// Polls a subscription whenever it has something, on the one thread that all listeners share.
class WeirListener final : public Listener {
 public:
  WeirListener(Executor& executor, std::unique_ptr<Subscription> subscription,
               OnPosition on_position)
      : core_(std::make_shared<Core>(
            Core{executor, std::move(subscription), std::move(on_position)})) {
    schedule(core_);
  }

 private:
  struct Core {
    Executor& executor;
    std::unique_ptr<Subscription> subscription;
    OnPosition on_position;
  };

  static void schedule(const std::shared_ptr<Core>& core) {
    core->executor.post_always([weak = std::weak_ptr(core)] {
      if (const auto alive = weak.lock()) poll(alive);
    });
  }

  static void poll(const std::shared_ptr<Core>& core) {
    while (true) {
      auto step = core->subscription->poll([weak = std::weak_ptr(core)] {
        if (const auto alive = weak.lock()) schedule(alive);
      });
      if (!step) return core->on_position(step.error());
      if (!*step) return;
      core->on_position((*step)->cursor);
    }
  }

  std::shared_ptr<Core> core_;
};

/// Reads a boundary step by step.
struct BoundaryRead : std::enable_shared_from_this<BoundaryRead> {
  std::shared_ptr<EventStore> store;
  ReadRequest request;
  Boundary boundary;
  Done<Boundary> done;

  void go_on() {
    store->read_step(request, [self = shared_from_this()](Result<ReadStep> step) {
      if (!step) return self->done(step.error());
      self->take(*step);
    });
  }

  void take(const ReadStep& step) {
    for (const auto& event : step.batch) {
      if (!event.data().empty()) boundary.positions.push_back(event.position());
    }
    if (!request.until) {
      boundary.head = step.head;
      request.until = step.head;
    }
    if (step.end) return done(boundary);
    request.after = step.cursor;
    go_on();
  }
};

class WeirApi final : public Api {
 public:
  explicit WeirApi(std::shared_ptr<EventStore> store) : store_(std::move(store)) {}

  Result<Position> head() override { return store_->head(); }

  void append(std::size_t, AppendRequest request, Done<Position> done) override {
    store_->append(std::move(request), [done = std::move(done)](Result<Appended> appended) mutable {
      if (!appended) return done(appended.error());
      done(appended->last);
    });
  }

  Result<Position> append(std::size_t, AppendRequest request) override {
    WEIR_TRY_ASSIGN(appended, store_->append(std::move(request)));
    return appended.last;
  }

  void read_boundary(std::size_t, const Query& query, Position after,
                     Done<Boundary> done) override {
    const auto read = std::make_shared<BoundaryRead>();
    read->store = store_;
    read->request.query = query;
    read->request.after = after;
    read->done = std::move(done);
    read->go_on();
  }

  Result<void> read_all(std::size_t, std::size_t batch,
                        const std::function<bool(std::size_t)>& on_batch) override {
    auto stream = store_->read({.batch_events_max = batch});
    while (true) {
      WEIR_TRY_ASSIGN(step, stream.next());
      if (!step) return {};
      std::size_t events = 0;
      for (const auto& event : step->batch) events += event.data().empty() ? 0 : 1;
      if (!on_batch(events)) return {};
    }
  }

  Result<std::unique_ptr<Listener>> listen(std::size_t, Position after,
                                           OnPosition on_position) override {
    WEIR_TRY_ASSIGN(subscription, store_->subscribe({.after = after}));
    return std::unique_ptr<Listener>(
        std::make_unique<WeirListener>(executor_, std::move(subscription), std::move(on_position)));
  }

 private:
  std::shared_ptr<EventStore> store_;
  Executor executor_{{.threads = 1, .name = "bench-listen"}};
};

}  // namespace

std::unique_ptr<Api> make_weir_api(std::shared_ptr<EventStore> store) {
  return std::make_unique<WeirApi>(std::move(store));
}

}  // namespace weir::bench
