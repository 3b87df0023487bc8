#include <weir/store/event_store.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace weir {
namespace {

/// Set from a thread of the store's or by a stop token, waited for by one caller.
struct Wake {
  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false;

  void set() {
    {
      const std::lock_guard lock(mutex);
      woken = true;
    }
    changed.notify_one();
  }
};

std::optional<Instant> earlier(std::optional<Instant> deadline,
                               std::optional<std::chrono::milliseconds> heartbeat) {
  if (!heartbeat) return deadline;
  const auto beat = system_clock().instant() + *heartbeat;
  return deadline ? std::min(*deadline, beat) : beat;
}

}  // namespace

void move_past(const ReadStep& step, ReadRequest& request) {
  if (request.limit) *request.limit -= step.batch.size();
  if (request.direction == Direction::forwards) {
    request.after = step.cursor;
  } else {
    request.until = step.cursor.previous();
  }
}

Result<SubscriptionStep> Subscription::next(std::optional<std::chrono::milliseconds> heartbeat) {
  // Shared with the store, which may call it after we are gone.
  const auto wake = std::make_shared<Wake>();
  while (true) {
    WEIR_TRY_ASSIGN(step, poll([wake] { wake->set(); }));
    if (step) {
      head_ = step->head;
      return std::move(*step);
    }
    const auto until = earlier(deadline(), heartbeat);
    std::unique_lock lock(wake->mutex);
    const auto woken = [&] { return wake->woken; };
    if (!until) {
      wake->changed.wait(lock, woken);
    } else if (!wake->changed.wait_until(lock, *until, woken)) {
      if (deadline() && *deadline() <= *until) return deadline_passed();
      // Before there was any step, nothing is known of what lies past the cursor.
      return SubscriptionStep{.batch = {},
                              .head = head_.value_or(cursor()),
                              .cursor = cursor(),
                              .caught_up = head_ && cursor() >= *head_};
    }
    wake->woken = false;
  }
}

/// Asks a reader for one step after the other, all up to the head of the first.
class SteppingSource final : public StepSource {
 public:
  SteppingSource(EventReader& reader, ReadRequest request)
      : reader_(reader), request_(std::move(request)) {}

  Result<std::optional<ReadStep>> next() override {
    if (end_) return std::optional<ReadStep>();
    auto read = reader_.read_step(request_);
    if (!read) {
      end_ = true;
      return read.error();
    }
    auto& step = *read;
    if (!head_) {
      head_ = step.head;
      if (!request_.until || *request_.until > *head_) request_.until = head_;
    }
    step.head = *head_;
    move_past(step, request_);
    end_ = step.end;
    return std::optional<ReadStep>(std::move(step));
  }

 private:
  EventReader& reader_;
  ReadRequest request_;
  std::optional<Position> head_;
  bool end_ = false;
};

std::unique_ptr<StepSource> EventReader::open_read(ReadRequest request) {
  return std::make_unique<SteppingSource>(*this, std::move(request));
}

ReadStream EventReader::read(ReadRequest request) {
  auto query = request.query;
  return {open_read(std::move(request)), std::move(query)};
}

Result<Known> ReadStream::collect() {
  Known known;
  known.query = query_;
  while (true) {
    WEIR_TRY_ASSIGN(step, next());
    if (!step) break;
    known.head = step->head;
    for (const auto& event : step->batch) known.events.push_back(event.copy());
  }
  return known;
}

}  // namespace weir
