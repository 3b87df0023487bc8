#pragma once

#include <grpcpp/grpcpp.h>
#include <weir/v1/log.grpc.pb.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/unique_function.hpp>
#include <weir/store/remote/reaction.hpp>
#include <weir/store/remote/wire.hpp>
#include <weir/store/requests.hpp>

namespace weir::remote {

/// Keeps one Session stream to a server, opened when it is first needed and again after it broke.
/// Whatever is asked while a message is being written goes out together in the next.
/// Threads: any.
class SessionClient {
 public:
  struct Options {
    /// Requests that may be outstanding; past it the answer is resource_exhausted. Default 65,536.
    std::size_t outstanding_max = 65'536;
    /// Bytes after which a message takes no further request. Default 2 MiB.
    std::size_t message_bytes_max = 2 << 20;
    /// Bytes of one request; a larger one would end the session, and is answered with
    /// invalid_argument instead. Default 19 MiB, of the 20 that a server takes in a message.
    std::size_t request_bytes_max = 19 << 20;
  };

  SessionClient(Wire wire, Options options);
  /// Ends the stream; what is outstanding is answered with `cancelled`.
  ~SessionClient();
  SessionClient(const SessionClient&) = delete;
  SessionClient& operator=(const SessionClient&) = delete;

  using Answered = UniqueFunction<void(Result<v1::SessionResponse*>)>;

  /// Sends a request; `answered` is called once, on the thread of rpc::client_poller(), and may
  /// take the response apart. `request` needs no number. Deadline and stop token are passed on, and
  /// answered here when the server does not.
  void call(v1::SessionRequest request, const CallOptions& options, Answered answered);

 private:
  class Stream;
  std::shared_ptr<Stream> stream();

  const Wire wire_;
  const Options options_;
  std::mutex mutex_;
  std::shared_ptr<Stream> stream_;
  /// Of the streams that gRPC may not be done with.
  std::vector<std::shared_ptr<CallEnd>> ends_;
};

}  // namespace weir::remote
