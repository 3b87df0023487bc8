#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <weir/resilience/core/outcome.hpp>
#include <weir/resilience/retry/backoff.hpp>
#include <weir/resilience/retry/retry_budget.hpp>

namespace weir::resilience {

/// What is known when a delay is chosen.
struct RetryInfo {
  /// Attempts made, from 1.
  int attempts = 1;
  const Outcome& outcome;
  /// What the backoff gives.
  Duration delay;
};

struct RetryOptions {
  /// For events, descriptions and reloads. Default "retry".
  std::string name = "retry";
  /// Attempts, the first among them. Range 1 to 1000. Default 3.
  int attempts_max = 3;
  /// What delays begin with. Range 0 to 24 h. Default 2 s.
  Duration delay = std::chrono::seconds(2);
  /// The longest delay. A `retry_after` longer than this ends the retries. Range 0 to 24 h.
  /// Default 30 s.
  Duration delay_max = std::chrono::seconds(30);
  Backoff backoff = Backoff::exponential;
  Jitter jitter = Jitter::full;
  /// Gives the delay instead; nothing, or less than 0, leaves it to the backoff. Not bound by
  /// delay_max. Must not throw.
  std::function<std::optional<Duration>(const RetryInfo&)> delay_generated = {};
  /// From the first attempt's beginning no later one begins after this. Range 1 ms to 24 h.
  /// Default: no limit but the call's deadline.
  std::optional<Duration> total_max = {};
  /// Shared by all that call one service. Default: none.
  std::shared_ptr<RetryBudget> budget = {};
  /// What is tried again. Default: transient errors and all exceptions.
  Handled handled = {};
};

Result<void> check(const RetryOptions& options);

/// Decides whether to try again, and when. A state machine of one call: neither waits nor asks for
/// the time. Threads: one at a time. `options` must outlive it.
class Retrying {
 public:
  struct Decision {
    bool again = false;
    Duration delay{};
  };

  explicit Retrying(Instant started) : started_(started) {}
  /// Goes on after so many attempts that failed, as if `chance` had been the same for all. For who
  /// can't keep one from attempt to attempt.
  Retrying(Instant started, const RetryOptions& options, int failed, double chance);

  int attempt() const { return delays_.taken() + 1; }
  /// After an attempt that ended at `now` with an outcome that is handled. No attempt would begin
  /// after `deadline`.
  Decision failed(const RetryOptions& options, const Outcome& outcome, Instant now,
                  Instant deadline, double chance);

 private:
  Instant started_;
  Delays delays_;
};

}  // namespace weir::resilience
