#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include <weir/base/result.hpp>
#include <weir/gateway/call.hpp>
#include <weir/gateway/http.hpp>

namespace weir::gateway {

/// The gRPC server behind the gateway, and how requests are passed on to it.
/// Threads: any.
struct Upstream {
  std::shared_ptr<grpc::Channel> channel;
  rpc::Poller* poller;
  /// For unary calls whose client names none.
  std::chrono::milliseconds unary_timeout;
  /// Headers passed on as metadata.
  std::vector<std::string> passed_headers;
  /// Metadata that names the request's peer; empty: none does.
  std::string peer_metadata;
  const Clock* clock;

  /// The call for this request, without a timeout.
  /// Errors: invalid_argument naming a header that is not printable ASCII.
  Result<CallOptions> options_for(const google::protobuf::MethodDescriptor& method,
                                  const HttpRequest& request) const;
};

/// "/weir.v1.EventLog/Append".
std::string path_of(const google::protobuf::MethodDescriptor& method);

/// Request-Timeout or X-Request-Timeout, in seconds ("1.5"). Nothing when there is none.
/// Errors: invalid_argument naming the header.
Result<std::optional<std::chrono::milliseconds>> timeout_of(const HttpRequest& request);

/// grpc-timeout as gRPC writes it: up to 8 digits and one of H M S m u n.
Result<std::optional<std::chrono::milliseconds>> grpc_timeout_of(const HttpRequest& request);

}  // namespace weir::gateway
