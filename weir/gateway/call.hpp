#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <grpcpp/grpcpp.h>

#include <google/protobuf/message.h>

#include <weir/base/time.hpp>
#include <weir/gateway/http.hpp>
#include <weir/rpc/client_call.hpp>

namespace weir::gateway {

/// How to call one method.
struct CallOptions {
  /// "/weir.v1.EventLog/Append".
  std::string method;
  /// Passed on as metadata; names in lower case.
  std::vector<Header> metadata;
  /// Absent: no deadline.
  std::optional<std::chrono::milliseconds> timeout;
  const Clock* clock = &system_clock();
};

/// Trailing metadata of a call: names in lower case, values as gRPC gives them.
using Trailers = std::multimap<std::string, std::string>;

/// Serialized messages to and from gRPC's buffers.
grpc::ByteBuffer to_buffer(const std::string& bytes);
grpc::ByteBuffer to_buffer(const google::protobuf::Message& message);
std::string to_string(const grpc::ByteBuffer& buffer);
/// False when the bytes are no such message.
bool parse_buffer(grpc::ByteBuffer& buffer, google::protobuf::Message& message);

/// A call with one request and one response.
/// Threads: cancel() any; `done` is called once on the poller's thread and must not block.
class UnaryCall {
 public:
  using Done = std::function<void(const grpc::Status& status, grpc::ByteBuffer& response,
                                  const Trailers& trailers)>;

  /// The returned handle may be let go of; the call goes on.
  static std::shared_ptr<UnaryCall> start(const std::shared_ptr<grpc::Channel>& channel,
                                          rpc::Poller& poller, const CallOptions& options,
                                          const grpc::ByteBuffer& request, Done done);
  void cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  grpc::ByteBuffer response_;
};

/// A call with one request and a stream of responses, for methods that stream: gRPC's in-process
/// transport now and then loses the one message of a method that does not. Only next() asks for the
/// next one: what nobody has asked for stays with the server.
/// Threads: any; callbacks come one at a time on the poller's thread and must not block. After
/// cancel() there may be one more on_message; on_done always comes, and is the last.
class StreamCall final : public rpc::ClientStream<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  struct Callbacks {
    std::function<void(grpc::ByteBuffer& message)> on_message;
    std::function<void(const grpc::Status& status, const Trailers& trailers)> on_done;
  };

  static std::shared_ptr<StreamCall> start(const std::shared_ptr<grpc::Channel>& channel,
                                           rpc::Poller& poller, const CallOptions& options,
                                           grpc::ByteBuffer request, Callbacks callbacks);
  /// Asks for one more message. Not again before it has come.
  void next();
  void cancel();

 private:
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  grpc::ByteBuffer request_;
  grpc::ByteBuffer message_;
  Callbacks callbacks_;
  std::mutex mutex_;
  /// The hold that lets next() start an operation from outside gRPC's callbacks.
  bool held_ = true;
  bool reading_ = false;
  bool cancelled_ = false;
  std::shared_ptr<StreamCall> self_;
};

}  // namespace weir::gateway
