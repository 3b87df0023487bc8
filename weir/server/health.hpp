#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <weir/gateway/gateway.hpp>
#include <weir/store/event_store.hpp>

namespace weir::server {

/// GET /health/live says that the process answers; GET /health/ready that its store can be read
/// and that it is not shutting down (503 otherwise, with the reason).
/// Threads: any.
class Health {
 public:
  void watch(std::shared_ptr<EventStore> log) { state_->log = std::move(log); }
  void stop() { state_->stopping = true; }
  std::vector<gateway::Route> routes() const;

 private:
  struct State {
    std::shared_ptr<EventStore> log;
    std::atomic<bool> stopping = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace weir::server
