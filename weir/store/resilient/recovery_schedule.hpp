#pragma once

#include <optional>

#include <weir/base/result.hpp>
#include <weir/resilience/core/duration.hpp>

namespace weir::resilient {

/// Looking, while a circuit is open, whether the database answers again.
struct RecoveryOptions {
  /// From a circuit's opening to the first look; doubled from look to look. Range 10 ms to 1 h.
  /// Default 500 ms; 0: nobody looks, and a circuit stays open for its whole break.
  resilience::Duration delay = std::chrono::milliseconds(500);
  /// The longest. Range 10 ms to 1 h. Default 5 s.
  resilience::Duration delay_max = std::chrono::seconds(5);
  /// How long a look may take. Range 10 ms to 1 min. Default 2 s.
  resilience::Duration timeout = std::chrono::seconds(2);
  /// Share by which each delay is shortened at random, so that not all servers of a database look
  /// at once. Range 0 to 0.9. Default 0.25.
  double jitter = 0.25;
};

/// Errors: invalid_argument, "recovery.delay: 1 ms, must be from 10 ms to 3600 s".
Result<void> check(const RecoveryOptions& options);

/// When to look: (event, now, chance) -> moment. Chance is from 0 up to 1.
/// Threads: one at a time.
class RecoverySchedule {
 public:
  /// `options` must have passed check(), and have a delay.
  explicit RecoverySchedule(const RecoveryOptions& options) : options_(options) {}

  /// When the next look is due, while a circuit is open. The first of an outage is reckoned from
  /// `now`.
  Instant due(Instant now, double chance);
  /// A look has ended, however it went. That the database seemed well and the circuit opened again
  /// is no reason to look more often.
  void looked(Instant now, double chance);
  /// All circuits are closed: the outage is over.
  void over();

 private:
  Instant after(Instant now, double chance) const;

  RecoveryOptions options_;
  resilience::Duration delay_{};
  std::optional<Instant> due_;
};

}  // namespace weir::resilient
