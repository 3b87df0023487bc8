#include <weir/resilience/retry/retry.hpp>

#include <algorithm>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

Result<void> check(const RetryOptions& options) {
  return Check(options.name)
      .in("attempts_max", options.attempts_max, 1, 1000)
      .in("delay", options.delay, 0h, 24h)
      .in("delay_max", options.delay_max, 0h, 24h)
      .that(options.delay <= options.delay_max, "delay", "more than delay_max")
      .in_if<Duration>("total_max", options.total_max, 1ms, 24h)
      .result();
}

namespace {

BackoffOptions backoff_of(const RetryOptions& options) {
  return {.delay = options.delay,
          .delay_max = options.delay_max,
          .backoff = options.backoff,
          .jitter = options.jitter};
}

}  // namespace

Retrying::Retrying(Instant started, const RetryOptions& options, int failed, double chance)
    : started_(started) {
  const int delays = std::min(failed, options.attempts_max);
  for (int i = 0; i < delays; ++i) delays_.next(backoff_of(options), chance);
}

Retrying::Decision Retrying::failed(const RetryOptions& options, const Outcome& outcome,
                                    Instant now, Instant deadline, double chance) {
  if (options.budget) options.budget->failed();
  if (attempt() >= options.attempts_max) return {};
  if (options.budget && !options.budget->may_retry()) return {};

  Duration delay = delays_.next(backoff_of(options), chance);
  if (options.delay_generated) {
    const auto generated =
        options.delay_generated({.attempts = delays_.taken(), .outcome = outcome, .delay = delay});
    if (generated && *generated >= Duration::zero()) delay = *generated;
  }
  if (const Error* error = outcome.error(); error != nullptr && error->retry_after) {
    if (*error->retry_after > options.delay_max) return {};
    delay = std::max<Duration>(delay, *error->retry_after);
  }
  const Instant next = later(now, delay);
  if (next >= deadline) return {};
  if (options.total_max && next > later(started_, *options.total_max)) return {};
  return {.again = true, .delay = delay};
}

}  // namespace weir::resilience
