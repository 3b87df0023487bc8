#include <weir/server/streams.hpp>

#include <algorithm>

#include <weir/base/assert.hpp>
#include <weir/server/call.hpp>
#include <weir/server/watch.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

class SubscriptionFeed final : public StepFeed {
 public:
  explicit SubscriptionFeed(std::shared_ptr<Watch> watch) : watch_(std::move(watch)) {}
  ~SubscriptionFeed() override { watch_->close(); }
  void next(Ready ready) override {
    watch_->next([ready = std::move(ready)](Result<SubscriptionStep> step) mutable {
      if (!step) return ready(step.error());
      ready(std::optional(remote::to_buffer(remote::to_wire(std::move(step).value()))));
    });
  }

 private:
  std::shared_ptr<Watch> watch_;
};

}  // namespace

std::unique_ptr<StepFeed> make_subscription_feed(std::shared_ptr<EventStore> log,
                                                 std::unique_ptr<Subscription> subscription,
                                                 Executor& readers, const StreamOptions& options) {
  return std::make_unique<SubscriptionFeed>(
      std::make_shared<Watch>(std::move(log), std::move(subscription), readers,
                              WatchOptions{.heartbeat = options.heartbeat, .markers = true}));
}

FeedStream::FeedStream(Call& call, CallReport report, StatusOf status_of)
    : call_(call), status_of_(status_of), report_(std::move(report)) {}

std::shared_ptr<FeedStream> FeedStream::start(Call& call, CallReport report) {
  return start(call, std::move(report), remote::to_status);
}

std::shared_ptr<FeedStream> FeedStream::start(Call& call, CallReport report, StatusOf status_of) {
  auto stream = std::make_shared<FeedStream>(call, std::move(report), status_of);
  stream->self_ = stream;
  call.set_reactor(*stream);
  return stream;
}

bool FeedStream::admit(Admission& admission, std::size_t request_bytes) {
  auto ticket = admission.stream(admission.by_client() ? client_of(call_.context()) : std::string(),
                                 request_bytes);
  if (!ticket) return fail(ticket.error()), false;
  const std::lock_guard lock(mutex_);
  ticket_ = std::move(*ticket);
  return true;
}

CallOptions FeedStream::options() const {
  return {.deadline = deadline_of(call_.context()),
          .stop = stop_.get_token(),
          .context = report_.context()};
}

void FeedStream::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  end(status_of_(error));
}

void FeedStream::end_at_once() {
  const std::lock_guard lock(mutex_);
  end(grpc::Status::OK);
}

bool FeedStream::ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void FeedStream::open() {
  const std::lock_guard lock(mutex_);
  if (!ended_) call_.send_initial_metadata();
}

void FeedStream::feed(std::unique_ptr<StepFeed> feed) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    feed_ = std::move(feed);
    asking_ = true;
  }
  ask();
}

void FeedStream::end_when(std::stop_token over, grpc::Status last) {
  const auto free = std::find(on_over_.begin(), on_over_.end(), nullptr);
  WEIR_ASSERT(free != on_over_.end());
  *free = std::make_unique<std::stop_callback<std::function<void()>>>(
      std::move(over), [weak = weak_from_this(), last = std::move(last)] {
        const auto self = weak.lock();
        if (!self) return;
        const std::lock_guard lock(self->mutex_);
        if (self->ended_) return;
        self->last_ = last;
        if (!self->writing_) self->end(*self->last_);
      });
}

void FeedStream::ask() {
  feed_->next([self = shared_from_this()](Result<std::optional<grpc::ByteBuffer>> message) {
    self->took(std::move(message));
  });
}

void FeedStream::took(Result<std::optional<grpc::ByteBuffer>> message) {
  {
    const std::lock_guard lock(mutex_);
    asking_ = false;
    if (ended_) return;
    if (last_) return;
    if (!message || !*message) {
      last_ = message ? grpc::Status::OK : status_of_(message.error());
      if (!writing_) end(*last_);
      return;
    }
    if (writing_) {
      next_ = std::move(**message);
      return;
    }
    writing_ = asking_ = true;
    writing_message_ = std::move(**message);
    call_.write(writing_message_);
  }
  ask();
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
      call_.write(writing_message_);
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
  ticket_.leave();
  report_.end(status.error_code());
  call_.finish(status);
}

void FeedStream::OnDone() {
  stop_.request_stop();
  std::shared_ptr<FeedStream> self;
  std::unique_ptr<StepFeed> feed;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ticket_.leave();
    report_.end(grpc::StatusCode::CANCELLED);  // if it has not ended before
    self = std::move(self_);
    // A feed that is being asked still calls back; it goes with the stream then.
    if (!asking_) feed = std::move(feed_);
  }
}

}  // namespace weir::server
