#pragma once

#include <cstdint>
#include <optional>

#include <weir/resilience/core/chance.hpp>
#include <weir/resilience/core/duration.hpp>

namespace weir::resilience {

/// How delays grow, before jitter. n counts the retries from 0.
enum class Backoff : std::uint8_t {
  constant,     // delay
  linear,       // (n + 1) * delay
  exponential,  // 2^n * delay
};

/// How chance spreads delays, so that callers that failed together do not return together.
/// full, equal, decorrelated: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
enum class Jitter : std::uint8_t {
  none,
  full,          // from 0 to the delay
  equal,         // from half the delay to the delay
  decorrelated,  // from `delay` to three times the one before; `backoff` is ignored
  polly,         // as Polly 8: a smooth exponential curve; a quarter more or less for the others
};

struct BackoffOptions {
  Duration delay = std::chrono::seconds(2);
  Duration delay_max = std::chrono::seconds(30);
  Backoff backoff = Backoff::exponential;
  Jitter jitter = Jitter::full;
};

/// The delays of one call, one after the other. A value; keeps what the curve needs to go on.
class Delays {
 public:
  /// The next delay, at most delay_max. `chance` is from 0 up to 1.
  Duration next(const BackoffOptions& options, double chance);
  /// How many were taken.
  int taken() const { return taken_; }

 private:
  int taken_ = 0;
  double previous_ = 0;  // of decorrelated: seconds; of polly: the curve's last point
};

}  // namespace weir::resilience
