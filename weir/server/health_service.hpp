#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace weir::server {

/// grpc.health.v1.Health for the server (the empty name) and the services named: serving until
/// `draining` fires. Watchers are told then, and their streams end, so that no watcher holds up the
/// server's shutdown.
/// Threads: gRPC's.
std::unique_ptr<grpc::Service> make_health_service(std::vector<std::string> services,
                                                   std::stop_token draining);

}  // namespace weir::server
