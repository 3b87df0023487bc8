#include <weir/telemetry/otlp/retry.hpp>

#include <algorithm>

namespace weir::telemetry::otlp {

std::optional<std::chrono::milliseconds> RetrySchedule::after(const Attempt& attempt, Instant now,
                                                              Instant deadline) {
  if (!attempt.error || !attempt.retryable) return std::nullopt;
  const auto upper = std::exchange(next_, std::min(next_ * 2, options_.most));
  auto delay = std::chrono::milliseconds(
      static_cast<std::int64_t>(options_.chance() * static_cast<double>(upper.count())));
  // Never sooner than we would by ourselves: a receiver may say "at once" again and again.
  if (attempt.error->retry_after) delay = std::max(delay, *attempt.error->retry_after);
  if (now + delay >= deadline) return std::nullopt;
  return delay;
}

}  // namespace weir::telemetry::otlp
