#pragma once

#include <string>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/base/time.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace weir::postgres {

/// Something happened to a connection of a pool: the hooks.
struct PoolEvent {
  enum class Kind : std::uint8_t {
    connecting,  ///< begins to connect
    connected,
    failed,    ///< could not connect
    borrowed,  ///< a caller has one
    returned,  ///< it came back, to be lent again or closed
    closed,
    leaked,     ///< lent for longer than leak_detection_threshold; told once, it stays lent
    timed_out,  ///< a caller gave up waiting for one
  };
  Kind kind;
  /// connected, failed: of connecting; borrowed, timed_out: of waiting; returned: of using it.
  Instant::duration took{};
  /// Of the pool.
  std::string_view pool = {};
  /// failed: why. Null otherwise.
  const Error* error = nullptr;
};

/// Turns a pool's events into the metrics db.client.connection.create_time, wait_time, use_time and
/// timeouts.
/// Threads: any.
class PoolReports {
 public:
  PoolReports(const telemetry::Telemetry& telemetry, const std::string& pool);
  void take(const PoolEvent& event) const;

 private:
  const telemetry::BoundHistogram create_time_, wait_time_, use_time_;
  const telemetry::BoundCounter timeouts_;
};

}  // namespace weir::postgres
