#include <weir/store/remote/streams.hpp>

#include <weir/v1/log.pb.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>

#include <weir/rpc/client_call.hpp>
#include <weir/store/remote/context.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/remote/reaction.hpp>

namespace weir::remote {
namespace {

template <class Message>
grpc::ByteBuffer serialize(const Message& message) {
  return to_buffer(message.SerializeAsString());
}

Result<std::string> bytes_of(grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return internal_bug("a message of the server can't be read");
  auto bytes = Buffers::shared().take(buffer.Length());
  for (const auto& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

/// The messages of one server stream, at most two of them waiting. The events in them are not
/// taken apart.
/// Owned by gRPC until OnDone.
class MessageStream final : public rpc::ClientStream<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public std::enable_shared_from_this<MessageStream> {
 public:
  static constexpr std::size_t waiting_max = 2;

  /// Closes the stream and waits for its end when it goes.
  struct Closer {
    explicit Closer(std::shared_ptr<MessageStream> closed) : stream(std::move(closed)) {}
    Closer(Closer&&) = default;
    ~Closer() {
      if (stream) stream->close();
    }
    std::shared_ptr<MessageStream> stream;
  };

  void open(const Wire& wire, const std::string& method, grpc::ByteBuffer request,
            const CallOptions& call) {
    self_ = shared_from_this();
    request_ = std::move(request);
    add_context(call, context());
    wire.authorize(context());
    if (call.deadline) {
      context().set_deadline(std::chrono::system_clock::now() + time_left(*call.deadline));
    }
    StartCall(wire.channel, method, rpc::client_poller());
    // Reads are started by whoever takes messages out, so the call must not end by itself.
    AddHold();
    StartWriteLast(&request_);
    StartRead(&in_);
    on_stop_ = std::make_unique<std::stop_callback<std::function<void()>>>(
        call.stop, [weak = weak_from_this()] {
          if (const auto self = weak.lock()) self->context().TryCancel();
        });
  }

  /// The next message, waiting for it. Nothing at the end; the stream's status as the error.
  Result<std::optional<grpc::ByteBuffer>> next() {
    WEIR_TRY(may_wait());
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty() || done_; });
    return take(lock);
  }

  /// The same without waiting; `wake` is called once when there is something, if there is not.
  enum class Polled { taken, waits };
  Result<std::optional<grpc::ByteBuffer>> poll(std::function<void()> wake, Polled& polled) {
    std::unique_lock lock(mutex_);
    if (waiting_.empty() && !done_) {
      wake_ = std::move(wake);
      polled = Polled::waits;
      return std::optional<grpc::ByteBuffer>();
    }
    polled = Polled::taken;
    return take(lock);
  }

  void close() {
    context().TryCancel();
    on_stop_.reset();
    release();
    const auto end = end_;
    end->wait();
  }

 private:
  Result<std::optional<grpc::ByteBuffer>> take(std::unique_lock<std::mutex>&) {
    if (waiting_.empty()) {
      if (!status_.ok()) return from_status(status_);
      return std::optional<grpc::ByteBuffer>();
    }
    auto message = std::move(waiting_.front());
    waiting_.pop_front();
    if (!reading_ && !ended_) {
      reading_ = true;
      StartRead(&in_);
    }
    return std::optional(std::move(message));
  }

  void OnReadDone(bool ok) override {
    const CallEnd::Reacting reacting;
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      if (ok) {
        waiting_.push_back(std::move(in_));
        in_.Clear();
        if (waiting_.size() < waiting_max) {
          reading_ = true;
          StartRead(&in_);
        }
        wake = std::exchange(wake_, nullptr);
      } else {
        ended_ = true;
      }
    }
    if (!ok) release();
    changed_.notify_all();
    if (wake) wake();
  }

  void OnDone(const grpc::Status& status) override {
    const CallEnd::Reacting reacting;
    std::function<void()> wake;
    std::shared_ptr<MessageStream> self;
    {
      const std::lock_guard lock(mutex_);
      status_ = status;
      done_ = true;
      wake = std::exchange(wake_, nullptr);
      self = std::move(self_);
    }
    changed_.notify_all();
    if (wake) wake();
    // The channel must not go with this object here: whoever waits has it still.
    const auto end = end_;
    self.reset();
    end->set();
  }

  void release() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      if (std::exchange(released_, true)) return;
    }
    RemoveHold();
  }

  const std::shared_ptr<CallEnd> end_ = std::make_shared<CallEnd>();
  grpc::ByteBuffer request_;
  grpc::ByteBuffer in_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<MessageStream> self_;
  std::deque<grpc::ByteBuffer> waiting_;
  std::function<void()> wake_;
  grpc::Status status_;
  bool reading_ = true;
  bool ended_ = false;
  bool released_ = false;
  bool done_ = false;
  std::unique_ptr<std::stop_callback<std::function<void()>>> on_stop_;
};

class StreamedRead final : public StepSource {
 public:
  explicit StreamedRead(std::shared_ptr<MessageStream> stream) : stream_(std::move(stream)) {}
  ~StreamedRead() override { let_go(MessageStream::Closer{std::move(stream_)}); }

  Result<std::optional<ReadStep>> next() override {
    if (end_) return std::optional<ReadStep>();
    auto message = stream_->next();
    if (!message || !*message) {
      end_ = true;
      if (!message) return message.error();
      return std::optional<ReadStep>();
    }
    WEIR_TRY_ASSIGN(bytes, bytes_of(**message));
    WEIR_TRY_ASSIGN(step, read_step_from_wire(std::move(bytes)));
    return std::optional(std::move(step));
  }

 private:
  std::shared_ptr<MessageStream> stream_;
  bool end_ = false;
};

class StreamedSubscription final : public Subscription {
 public:
  StreamedSubscription(std::shared_ptr<MessageStream> stream, SubscribeRequest request)
      : stream_(std::move(stream)),
        cursor_(request.after.value_or(Position())),
        call_(std::move(request.call)) {}
  ~StreamedSubscription() override { let_go(MessageStream::Closer{std::move(stream_)}); }

  Position cursor() const override { return cursor_; }
  std::optional<Instant> deadline() const override { return call_.deadline; }

  Result<std::optional<SubscriptionStep>> poll(std::function<void()> wake) override {
    auto polled = MessageStream::Polled::taken;
    auto message = stream_->poll(std::move(wake), polled);
    if (call_.stop.stop_requested()) return cancelled();
    if (!message) return message.error();
    if (polled == MessageStream::Polled::waits) return std::optional<SubscriptionStep>();
    if (!*message) return unavailable("the server ended the subscription");
    WEIR_TRY_ASSIGN(bytes, bytes_of(**message));
    WEIR_TRY_ASSIGN(step, subscription_step_from_wire(std::move(bytes)));
    cursor_ = std::max(cursor_, step.cursor);
    return std::optional(std::move(step));
  }

 private:
  std::shared_ptr<MessageStream> stream_;
  Position cursor_;
  CallOptions call_;
};

std::shared_ptr<MessageStream> open_stream(const Wire& wire, const std::string& method,
                                           grpc::ByteBuffer request, const CallOptions& call) {
  auto stream = std::make_shared<MessageStream>();
  stream->open(wire, method, std::move(request), call);
  return stream;
}

}  // namespace

std::unique_ptr<StepSource> open_read_stream(const Wire& wire, const std::string& log,
                                             ReadRequest request) {
  v1::ReadRequest message;
  to_proto(request, log, message);
  return std::make_unique<StreamedRead>(
      open_stream(wire, "/weir.v1.EventLog/Read", serialize(message), request.call));
}

Result<std::unique_ptr<Subscription>> open_subscription_stream(const Wire& wire,
                                                               const std::string& log,
                                                               SubscribeRequest request) {
  v1::SubscribeRequest message;
  to_proto(request, log, message);
  auto stream = open_stream(wire, "/weir.v1.EventLog/Subscribe", serialize(message), request.call);
  return std::unique_ptr<Subscription>(
      std::make_unique<StreamedSubscription>(std::move(stream), std::move(request)));
}

}  // namespace weir::remote
