#pragma once

#include <grpcpp/support/status.h>

#include <weir/base/error.hpp>
#include <weir/gateway/http.hpp>

namespace weir::gateway {

/// The HTTP status that google.rpc.Code gives each gRPC code: 400, 404, 409, 429, 503 ...
int http_status(grpc::StatusCode code);

/// The error as JSON, on one line:
/// {"error":{"code":"ABORTED","status":409,"message":"...","reason":"CONDITION_FAILED",
///           "details":{"position":"8"},"retryAfterSeconds":0.25}}
/// reason and details come from the google.rpc.ErrorInfo of its details, retryAfterSeconds from
/// google.rpc.RetryInfo; each is left out when it isn't there. `http` overrides the status.
std::string error_json(const grpc::Status& status, int http = 0);

/// A whole response with that body and, when a delay is known, Retry-After in seconds, rounded up.
HttpResponse error_response(const grpc::Status& status, int http = 0);

/// The gateway's own errors, in the same shape; `http` overrides the status of the code.
HttpResponse error_response(const Error& error, int http = 0);

/// The same error with details as a gRPC server would give them.
grpc::Status to_status(const Error& error);

}  // namespace weir::gateway
