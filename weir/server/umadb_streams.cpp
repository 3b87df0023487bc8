#include <weir/server/umadb_streams.hpp>

#include <weir/server/umadb_wire.hpp>
#include <weir/server/watch.hpp>

namespace weir::server::umadb {
namespace {

using Message = std::optional<grpc::ByteBuffer>;

class UmadbReadFeed final : public StepFeed {
 public:
  UmadbReadFeed(std::shared_ptr<EventStore> log, ReadRequest request)
      : log_(std::move(log)),
        request_(std::move(request)),
        limited_(request_.limit.has_value()),
        packer_(request_.batch_events_max) {}

  void next(Ready ready) override {
    if (request_.limit == 0 && !sent_ && !head_) return ready(Message());
    go_on(std::move(ready));
  }

 private:
  /// A message is as full as it can be, whatever steps the store takes.
  void go_on(Ready ready) {
    if (packer_.pack()) return ready(take());
    if (end_) return ready(packer_.empty() && sent_ ? Message() : take());
    log_->read_step(request_, [this, ready = std::move(ready)](Result<ReadStep> step) mutable {
      if (!step) return ready(step.error());
      advance(*step);
      packer_.hold(std::move(step->batch));
      go_on(std::move(ready));
    });
  }

  void advance(const ReadStep& step) {
    if (!head_) {
      head_ = step.head;
      if (!request_.until || *request_.until > *head_) request_.until = head_;
    }
    move_past(step, request_);
    end_ = step.end;
  }

  Message take() {
    sent_ = true;
    auto head = packer_.last();
    if (!limited_) head = head_->value == 0 ? std::nullopt : std::optional(head_->value);
    return packer_.take(head);
  }

  std::shared_ptr<EventStore> log_;
  ReadRequest request_;
  const bool limited_;
  Packer packer_;
  std::optional<Position> head_;
  bool sent_ = false;
  bool end_ = false;
};

class UmadbSubscriptionFeed final : public StepFeed {
 public:
  UmadbSubscriptionFeed(std::shared_ptr<Watch> watch, std::size_t batch_events_max)
      : watch_(std::move(watch)), packer_(batch_events_max) {}
  ~UmadbSubscriptionFeed() override { watch_->close(); }

  void next(Ready ready) override {
    packer_.pack();
    if (!packer_.empty()) return ready(Message(packer_.take(std::nullopt)));
    watch_->next([this, ready = std::move(ready)](Result<SubscriptionStep> step) mutable {
      if (!step && step.error().reason == Reason::shutting_down) return ready(Message());
      if (!step) return ready(step.error());
      packer_.hold(std::move(step->batch));
      packer_.pack();
      ready(Message(packer_.take(std::nullopt)));
    });
  }

 private:
  std::shared_ptr<Watch> watch_;
  Packer packer_;
};

}  // namespace

std::unique_ptr<StepFeed> make_read_feed(std::shared_ptr<EventStore> log, ReadRequest request) {
  return std::make_unique<UmadbReadFeed>(std::move(log), std::move(request));
}

std::unique_ptr<StepFeed> make_subscription_feed(std::shared_ptr<EventStore> log,
                                                 std::unique_ptr<Subscription> subscription,
                                                 std::size_t batch_events_max, Executor& readers) {
  return std::make_unique<UmadbSubscriptionFeed>(
      std::make_shared<Watch>(std::move(log), std::move(subscription), readers, WatchOptions{}),
      batch_events_max);
}

}  // namespace weir::server::umadb
