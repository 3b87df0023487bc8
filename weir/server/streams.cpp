#include <weir/server/streams.hpp>

#include <grpcpp/alarm.h>

#include <algorithm>

#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

/// The first messages of a read are small, so that the first event is soon there.
constexpr std::size_t first_batch_events = 64;
constexpr std::size_t batch_growth = 8;
constexpr std::size_t batch_bytes = 512 << 10;

class ReadFeed final : public StepFeed {
 public:
  ReadFeed(std::shared_ptr<EventStore> log, ReadRequest request)
      : log_(std::move(log)),
        request_(std::move(request)),
        batch_events_max_(request_.batch_events_max) {
    request_.batch_bytes_max = batch_bytes;
    request_.batch_events_max = std::min(batch_events_max_, first_batch_events);
  }

  void next(Ready ready) override {
    if (end_) return ready(std::optional<grpc::ByteBuffer>());
    log_->read_step(request_, [this, ready = std::move(ready)](Result<ReadStep> step) mutable {
      if (!step) return ready(step.error());
      ready(std::optional(take(std::move(step).value())));
    });
  }

 private:
  grpc::ByteBuffer take(ReadStep step) {
    if (!head_) {
      head_ = step.head;
      if (!request_.until || *request_.until > *head_) request_.until = head_;
    }
    step.head = *head_;
    if (request_.limit) *request_.limit -= step.batch.size();
    if (request_.direction == Direction::forwards) {
      request_.after = step.cursor;
    } else {
      request_.until = step.cursor.previous();
    }
    request_.batch_events_max =
        std::min(batch_events_max_, request_.batch_events_max * batch_growth);
    end_ = step.end;
    return remote::to_buffer(remote::to_wire(std::move(step)));
  }

  std::shared_ptr<EventStore> log_;
  ReadRequest request_;
  const std::size_t batch_events_max_;
  std::optional<Position> head_;
  bool end_ = false;
};

/// Waits for news without a thread: the subscription wakes it, or the alarm of the heartbeat does.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(std::shared_ptr<EventStore> log, std::unique_ptr<Subscription> subscription,
        Executor& readers, std::chrono::milliseconds heartbeat)
      : log_(std::move(log)),
        subscription_(std::move(subscription)),
        readers_(readers),
        heartbeat_(heartbeat) {}

  void next(StepFeed::Ready ready) {
    std::unique_lock lock(mutex_);
    ready_ = std::move(ready);
    if (found_) return deliver(lock);
    if (!polling_) start_poll();
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + heartbeat_,
                [self = weak_from_this()](bool fired) {
                  if (const auto watch = self.lock(); watch && fired) watch->beat();
                });
  }

  void close() {
    const std::lock_guard lock(mutex_);
    alarm_.reset();
    ready_ = nullptr;
  }

 private:
  using Found = Result<SubscriptionStep>;

  // With the lock held.
  void start_poll() {
    polling_ = true;
    readers_.post_always([self = shared_from_this()] { self->poll(); });
  }

  void poll() {
    const std::lock_guard polling(poll_mutex_);
    while (true) {
      auto polled = subscription_->poll([self = weak_from_this()] {
        if (const auto watch = self.lock()) watch->woken();
      });
      std::unique_lock lock(mutex_);
      if (polled && !*polled) {
        polling_ = woken_;
        if (!std::exchange(woken_, false)) return;
        continue;
      }
      if (polled && !worth_sending(**polled)) continue;
      polling_ = false;
      found_ = polled ? Found(std::move(**polled)) : Found(polled.error());
      return deliver(lock);
    }
  }

  void woken() {
    const std::lock_guard lock(mutex_);
    if (polling_) {
      woken_ = true;
    } else if (!found_) {
      start_poll();
    }
  }

  /// Events, and the news that there are no more of them for now. What else happened in the log
  /// only moves the cursor, which the next heartbeat tells.
  bool worth_sending(const SubscriptionStep& step) {
    const bool told = std::exchange(told_caught_up_, step.caught_up);
    quiet_ = {.batch = {}, .head = step.head, .cursor = step.cursor, .caught_up = step.caught_up};
    return !step.batch.empty() || (step.caught_up && !told);
  }

  void beat() {
    std::unique_lock lock(mutex_);
    if (!ready_ || found_) return;
    found_ = SubscriptionStep{.batch = {},
                              .head = quiet_.head,
                              .cursor = quiet_.cursor,
                              .caught_up = quiet_.caught_up};
    deliver(lock);
  }

  void deliver(std::unique_lock<std::mutex>& lock) {
    if (!ready_) return;
    auto ready = std::exchange(ready_, nullptr);
    auto found = std::move(*found_);
    found_.reset();
    alarm_.reset();
    lock.unlock();
    if (!found) return ready(found.error());
    ready(std::optional(remote::to_buffer(remote::to_wire(std::move(found).value()))));
  }

  std::shared_ptr<EventStore> log_;
  std::unique_ptr<Subscription> subscription_;
  Executor& readers_;
  const std::chrono::milliseconds heartbeat_;

  std::mutex poll_mutex_;
  std::mutex mutex_;
  StepFeed::Ready ready_;
  std::optional<Found> found_;
  SubscriptionStep quiet_;
  bool told_caught_up_ = false;
  bool polling_ = false;
  bool woken_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;
};

class SubscriptionFeed final : public StepFeed {
 public:
  explicit SubscriptionFeed(std::shared_ptr<Watch> watch) : watch_(std::move(watch)) {}
  ~SubscriptionFeed() override { watch_->close(); }
  void next(Ready ready) override { watch_->next(std::move(ready)); }

 private:
  std::shared_ptr<Watch> watch_;
};

}  // namespace

std::unique_ptr<StepFeed> make_read_feed(std::shared_ptr<EventStore> log, ReadRequest request) {
  return std::make_unique<ReadFeed>(std::move(log), std::move(request));
}

std::unique_ptr<StepFeed> make_subscription_feed(std::shared_ptr<EventStore> log,
                                                 std::unique_ptr<Subscription> subscription,
                                                 Executor& readers,
                                                 const StreamOptions& options) {
  return std::make_unique<SubscriptionFeed>(std::make_shared<Watch>(
      std::move(log), std::move(subscription), readers, options.heartbeat));
}

std::shared_ptr<FeedStream> FeedStream::start() {
  auto stream = std::make_shared<FeedStream>();
  stream->self_ = stream;
  return stream;
}

void FeedStream::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  end(remote::to_status(error));
}

void FeedStream::feed(std::unique_ptr<StepFeed> feed) {
  {
    const std::lock_guard lock(mutex_);
    feed_ = std::move(feed);
    asking_ = true;
  }
  ask();
}

void FeedStream::end_when(std::stop_token draining) {
  on_drain_ = std::make_unique<std::stop_callback<std::function<void()>>>(
      std::move(draining), [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        const std::lock_guard lock(self->mutex_);
        if (self->ended_) return;
        self->last_ = remote::to_status(shutting_down());
        if (!self->writing_) self->end(*self->last_);
      });
}

void FeedStream::ask() {
  feed_->next([self = shared_from_this()](Result<std::optional<grpc::ByteBuffer>> message) {
    self->took(std::move(message));
  });
}

void FeedStream::took(Result<std::optional<grpc::ByteBuffer>> message) {
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    asking_ = false;
    if (ended_) return;
    if (last_) return;
    if (!message || !*message) {
      last_ = message ? grpc::Status::OK : remote::to_status(message.error());
      if (!writing_) end(*last_);
      return;
    }
    if (writing_) {
      next_ = std::move(**message);
      return;
    }
    writing_ = asking_ = more = true;
    writing_message_ = std::move(**message);
    StartWrite(&writing_message_);
  }
  if (more) ask();
}

void FeedStream::OnWriteDone(bool ok) {
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ended_) return;
    if (!ok) return end(grpc::Status(grpc::StatusCode::CANCELLED, "the receiver has gone"));
    if (next_) {
      writing_ = true;
      writing_message_ = std::move(*next_);
      next_.reset();
      StartWrite(&writing_message_);
      more = !asking_ && !last_;
      asking_ = asking_ || more;
    } else if (last_) {
      end(*last_);
    }
  }
  if (more) ask();
}

void FeedStream::end(const grpc::Status& status) {
  if (std::exchange(ended_, true)) return;
  Finish(status);
}

void FeedStream::OnDone() {
  stop_.request_stop();
  std::shared_ptr<FeedStream> self;
  std::unique_ptr<StepFeed> feed;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    self = std::move(self_);
    // A feed that is being asked still calls back; it goes with the stream then.
    if (!asking_) feed = std::move(feed_);
  }
}

}  // namespace weir::server
