#include <weir/store/resilient/recovery_schedule.hpp>

#include <algorithm>

#include <weir/resilience/core/check.hpp>

namespace weir::resilient {

using resilience::Duration;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;

Result<void> check(const RecoveryOptions& options) {
  resilience::Check checking("recovery");
  if (options.delay != Duration::zero()) checking.in("delay", options.delay, 10ms, 1h);
  return checking.in("delay_max", options.delay_max, 10ms, 1h)
      .that(options.delay <= options.delay_max, "delay", "more than delay_max")
      .in("timeout", options.timeout, 10ms, 1min)
      .in("jitter", options.jitter, 0, 0.9)
      .result();
}

Instant RecoverySchedule::due(Instant now, double chance) {
  if (!due_) {
    delay_ = options_.delay;
    due_ = after(now, chance);
  }
  return *due_;
}

void RecoverySchedule::looked(Instant now, double chance) {
  delay_ = std::min(delay_ * 2, options_.delay_max);
  due_ = after(now, chance);
}

void RecoverySchedule::over() {
  due_.reset();
}

Instant RecoverySchedule::after(Instant now, double chance) const {
  const auto shortened = static_cast<double>(delay_.count()) * (1 - options_.jitter * chance);
  return resilience::later(now, Duration(static_cast<Duration::rep>(shortened)));
}

}  // namespace weir::resilient
