#include <weir/resilience/retry/backoff.hpp>

#include <algorithm>
#include <cmath>

namespace weir::resilience {
namespace {

double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double without_jitter(Backoff backoff, double delay, int n) {
  switch (backoff) {
    case Backoff::constant:
      return delay;
    case Backoff::linear:
      return (n + 1.0) * delay;
    case Backoff::exponential:
      break;
  }
  return std::ldexp(delay, n);
}

}  // namespace

Duration Delays::next(const BackoffOptions& options, double chance) {
  const int n = taken_++;
  const double base = in_seconds(options.delay);
  const double most = in_seconds(options.delay_max);
  if (base <= 0) return Duration::zero();
  double delay = 0;
  if (options.jitter == Jitter::polly && options.backoff == Backoff::exponential) {
    // "Decorrelated jitter backoff V2" of Polly.Contrib.WaitAndRetry, as in Polly 8.
    const double t = n + chance;
    const double point = std::exp2(t) * std::tanh(std::sqrt(4.0 * t));
    delay = (point - previous_) / 1.4 * base;
    previous_ = point;
  } else if (options.jitter == Jitter::decorrelated) {
    const double before = n == 0 ? base : previous_;
    delay = std::min(most, base + chance * (3.0 * before - base));
    previous_ = delay;
  } else {
    const double whole = std::min(most, without_jitter(options.backoff, base, n));
    switch (options.jitter) {
      case Jitter::full:
        delay = chance * whole;
        break;
      case Jitter::equal:
        delay = whole / 2 + chance * whole / 2;
        break;
      case Jitter::polly:
        delay = whole + whole * 0.5 * chance - whole * 0.25;
        break;
      default:
        delay = whole;
    }
  }
  // Also where 2^n has run out of numbers.
  if (!(delay < most)) return options.delay_max;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(delay));
}

}  // namespace weir::resilience
