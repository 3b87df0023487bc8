#pragma once

#include <grpcpp/grpcpp.h>
#include <weir/v1/log.pb.h>

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include <weir/rpc/server_call.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/call_report.hpp>
#include <weir/server/logs.hpp>

namespace weir::server {

struct StreamOptions {
  /// A subscription without news sends an empty response this often. Default 15 s.
  std::chrono::milliseconds heartbeat{15'000};
};

/// The one request of a stream, which its method takes as bytes.
template <class Message>
Result<Message> parse_message(const grpc::ByteBuffer& buffer) {
  Message message;
  grpc::ByteBuffer copy(buffer);
  const auto status = grpc::SerializationTraits<Message>::Deserialize(&copy, &message);
  if (!status.ok()) return invalid_field("request", "is not a message of this method");
  return message;
}

/// A message of a read or a subscription ends with the event that reaches this: a receiver that
/// takes nothing has some of them kept for it.
inline constexpr std::size_t stream_batch_bytes = 512 << 10;

/// Gives a stream's messages one by one. What the two kinds of streams differ in.
/// Threads: one call at a time.
class StepFeed {
 public:
  virtual ~StepFeed() = default;
  using Ready = UniqueFunction<void(Result<std::optional<grpc::ByteBuffer>>)>;
  /// The next message, or nothing at the end, by `ready`, on any thread.
  virtual void next(Ready ready) = 0;
};

/// Streams what a feed gives, one message being written while the next is being read, so that a
/// slow receiver holds up nobody and costs two messages of memory.
/// Owned by itself until gRPC is done with it.
class FeedStream final : public rpc::ServerReactor,
                         public std::enable_shared_from_this<FeedStream> {
 public:
  /// How a protocol puts an error on the wire. Default: as weir.v1 does.
  using StatusOf = grpc::Status (*)(const Error& error);
  using Call = rpc::ServerWriter<grpc::ByteBuffer>;
  FeedStream(Call& call, CallReport report, StatusOf status_of);
  static std::shared_ptr<FeedStream> start(Call& call, CallReport report);
  static std::shared_ptr<FeedStream> start(Call& call, CallReport report, StatusOf status_of);
  /// Whether it may go on; if not, it has been ended.
  bool admit(Admission& admission, std::size_t request_bytes);

  std::stop_token stop_token() const { return stop_.get_token(); }
  /// What the feed's operations are given.
  CallOptions options() const;
  /// Tells the caller that the stream stands, unless it has ended; otherwise the first message
  /// does.
  void open();
  /// Begins to stream, unless it has ended.
  void feed(std::unique_ptr<StepFeed> feed);
  /// Ends the stream with `last`, after what is being written, when that fires: once the server
  /// drains, or its caller's token ends. Twice at most. Before feed().
  void end_when(std::stop_token over, grpc::Status last);
  /// Whether it has: what waited for the log is then for nobody, and the server it would turn to
  /// may be gone.
  bool ended();
  /// Ends the stream before it began.
  void fail(const Error& error);
  /// Whose work it is.
  const telemetry::Context& context() const { return report_.context(); }
  /// The same, without an error.
  void end_at_once();

 private:
  void ask();
  void took(Result<std::optional<grpc::ByteBuffer>> message);
  void OnWriteDone(bool ok) override;
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override;
  void end(const grpc::Status& status);

  Call& call_;
  const StatusOf status_of_;
  std::mutex mutex_;
  std::shared_ptr<FeedStream> self_;
  std::stop_source stop_;
  std::unique_ptr<StepFeed> feed_;
  grpc::ByteBuffer writing_message_;
  std::optional<grpc::ByteBuffer> next_;
  std::optional<grpc::Status> last_;  ///< how the stream ends once what is left is written
  CallReport report_;
  Admission::Ticket ticket_;
  bool writing_ = false;
  bool asking_ = false;
  bool ended_ = false;
  std::array<std::unique_ptr<std::stop_callback<std::function<void()>>>, 2> on_over_;
};

/// A bounded read. Where positions alone say what belongs to it, a step ahead is being read too.
std::unique_ptr<StepFeed> make_read_feed(std::shared_ptr<EventStore> log, ReadRequest request);

/// Subscriptions wait without a thread; their store reads run on `logs`.
std::unique_ptr<StepFeed> make_subscription_feed(std::shared_ptr<EventStore> log,
                                                 std::unique_ptr<Subscription> subscription,
                                                 Executor& readers, const StreamOptions& options);

}  // namespace weir::server
