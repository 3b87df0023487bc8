#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include <weir/base/time.hpp>
#include <weir/telemetry/otlp/transport.hpp>

namespace weir::telemetry::otlp {

/// When a failed attempt is made again: after twice as long each time, with full jitter, but not
/// before the receiver said. A state machine without I/O.
/// Threads: one at a time.
class RetrySchedule {
 public:
  struct Options {
    std::chrono::milliseconds first{500};
    std::chrono::milliseconds most{5'000};
    /// A number in [0, 1), anew each time.
    std::function<double()> chance;
  };
  explicit RetrySchedule(Options options) : options_(std::move(options)), next_(options_.first) {}

  /// How long to wait before the next attempt. Nothing: give up, because it must not be repeated or
  /// there is no time left for it.
  std::optional<std::chrono::milliseconds> after(const Attempt& attempt, Instant now,
                                                 Instant deadline);

 private:
  const Options options_;
  std::chrono::milliseconds next_;
};

}  // namespace weir::telemetry::otlp
