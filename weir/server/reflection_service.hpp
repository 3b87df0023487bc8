#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/rpc/server_call.hpp>

namespace weir::server {

/// grpc.reflection.v1 and v1alpha: what the named services are, and every type that is linked in.
/// Streams end once `draining` fires, after the answer that is being written, so that no client
/// holds up the server's shutdown.
/// Threads: pollers'.
std::vector<std::unique_ptr<rpc::Service>> make_reflection_services(
    std::vector<std::string> services, std::stop_token draining);

}  // namespace weir::server
