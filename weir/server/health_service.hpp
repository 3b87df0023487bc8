#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/rpc/server_call.hpp>
#include <weir/server/health.hpp>

namespace weir::server {

/// grpc.health.v1.Health for the server (the empty name) and the services named: serving unless
/// `health` says unhealthy, and until `draining` fires. Watchers are told then, and their streams
/// end, so that no watcher holds up the server's shutdown. Without `health` nothing else is looked
/// at.
/// Threads: pollers'.
std::unique_ptr<rpc::Service> make_health_service(std::vector<std::string> services,
                                                  std::shared_ptr<Health> health,
                                                  std::stop_token draining);

}  // namespace weir::server
