#pragma once

#include <grpcpp/grpcpp.h>
#include <weir/v1/log.pb.h>

#include <weir/store/requests.hpp>

namespace weir::remote {

/// Lets the caller's context travel with a request: the one in its options, or else what its thread
/// is doing. Nothing is sent of an empty one.
void add_context(const CallOptions& call, v1::SessionRequest& request);
void add_context(const CallOptions& call, grpc::ClientContext& context);

/// By the machine's clock.
std::chrono::nanoseconds time_left(Instant deadline);

}  // namespace weir::remote
