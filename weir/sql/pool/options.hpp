#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <weir/base/result.hpp>

namespace weir::sql {

/// Where a duration may be zero, zero switches off what it governs.
struct PoolOptions {
  /// Named in errors. Default "default".
  std::string name = "default";
  /// Connections kept even when nobody uses them. Range 0 to size_max. Default 0.
  std::size_t size_min = 0;
  /// Connections at most. Range 1 to 1000. Default 8.
  std::size_t size_max = 8;
  /// Callers that may wait for one. Range 0 to 100,000. Default 1024.
  std::size_t waiting_max = 1024;
  /// How long a caller without a deadline waits. Range 1 ms to 10 min. Default 5 s.
  std::chrono::milliseconds connection_timeout{5'000};
  /// A connection is closed at this age, once it is returned. Range 0, 1 s to 7 days. Default 1 h.
  std::chrono::milliseconds connection_lifetime{3'600'000};
  /// Share by which lifetimes are shortened at random, so that they do not all end at once.
  /// Range 0 to 0.9. Default 0.25.
  double lifetime_jitter = 0.25;
  /// A connection unused for so long is closed, down to size_min. Range 0, 1 s to 7 days.
  /// Default 5 min.
  std::chrono::milliseconds idle_lifetime{300'000};
  /// One unused for longer is tried before it is lent; one used just now is lent as it is.
  /// Range 0, 1 ms to 1 day. Default 1 s.
  std::chrono::milliseconds validate_after{1'000};
  /// One unused for so long is tried in the background. Range 0, 1 s to 1 day. Default 2 min.
  std::chrono::milliseconds keepalive{120'000};
  /// One lent for longer is reported, once. Range 0, 1 ms to 1 day. Default 0.
  std::chrono::milliseconds leak_detection_threshold{0};
};

/// Errors: invalid_argument, with the field and its range.
Result<void> check(const PoolOptions& options);

}  // namespace weir::sql
