#pragma once

#include <grpcpp/grpcpp.h>

#include <grpc/health/v1/health.pb.h>

#include <mutex>
#include <optional>

#include <weir/server/health.hpp>
#include <weir/server/streams.hpp>

namespace weir::server {

/// As the protocol says it.
grpc::health::v1::HealthCheckResponse::ServingStatus serving(HealthStatus status);

/// What there is to say to one watcher of grpc.health.v1: always the newest, and the end.
/// Threads: any; one next() at a time.
class HealthNews final : public HealthWatcher {
 public:
  using Status = grpc::health::v1::HealthCheckResponse;
  using Ready = StepFeed::Ready;

  void changed(HealthStatus status) override;
  /// Nothing is said twice in a row, and nothing that is over: what waited to be said is forgotten.
  void tell(Status::ServingStatus status);
  /// Nothing comes after this; first `last`, when it is news.
  void end(std::optional<Status::ServingStatus> last);
  /// The next message, or nothing at the end, by `ready`, on any thread.
  void next(Ready ready);

 private:
  void note(Status::ServingStatus status);
  void deliver(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  Ready ready_;
  std::optional<Status::ServingStatus> news_;
  std::optional<Status::ServingStatus> told_;
  bool ended_ = false;
};

}  // namespace weir::server
