#pragma once

#include <memory>
#include <string>
#include <vector>

#include <weir/rpc/server_call.hpp>

namespace weir::server {

/// grpc.reflection.v1 and v1alpha: what the named services are, and every type that is linked in.
/// Threads: pollers'.
std::vector<std::unique_ptr<rpc::Service>> make_reflection_services(
    std::vector<std::string> services);

}  // namespace weir::server
