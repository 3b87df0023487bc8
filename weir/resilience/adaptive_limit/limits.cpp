#include <weir/resilience/adaptive_limit/limits.hpp>

#include <algorithm>
#include <cmath>

namespace weir::resilience {
namespace {

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// The first ten samples of a long mean are taken as they are.
constexpr int warm_up = 10;

}  // namespace

double Vegas::update(const LimitSample& sample, double chance) {
  const double round_trip = seconds_of(sample.round_trip);
  if (--samples_until_probe_ <= 0) {
    samples_until_probe_ = options_.probe_multiplier * limit_ * (0.5 + chance / 2);
    shortest_ = round_trip;
    return limit_;
  }
  if (round_trip < shortest_) {
    shortest_ = round_trip;
    return limit_;
  }
  const double step = std::max(1.0, std::floor(std::log10(limit_)));
  if (sample.dropped) {
    limit_ -= step;
  } else if (sample.in_flight * 2 < limit_) {
    return limit_;  // the callers did not ask for more
  } else {
    const double queue = std::ceil(limit_ * (1 - shortest_ / round_trip));
    if (queue <= step) {
      limit_ += 6 * step;
    } else if (queue < 3 * step) {
      limit_ += step;
    } else if (queue > 6 * step) {
      limit_ -= step;
    }
  }
  limit_ = std::clamp(limit_, 1.0, options_.max);
  return limit_;
}

void Gradient2::learn(double round_trip) {
  if (learnt_ < warm_up) {
    long_term_ = (long_term_ * learnt_ + round_trip) / (learnt_ + 1);
    ++learnt_;
  } else {
    const double weight = 2.0 / (options_.long_window + 1);
    long_term_ += (round_trip - long_term_) * weight;
  }
}

double Gradient2::update(const LimitSample& sample) {
  const double round_trip = seconds_of(sample.round_trip);
  learn(round_trip);
  // After a long overload the long-term mean must come down again.
  if (long_term_ / round_trip > 2) long_term_ *= 0.95;
  if (sample.dropped) {
    limit_ = std::max(options_.min, limit_ * 0.9);
    return limit_;
  }
  if (sample.in_flight < limit_ / 2) return limit_;
  const double gradient = std::clamp(options_.tolerance * long_term_ / round_trip, 0.5, 1.0);
  const double wanted = limit_ * gradient + options_.queue;
  limit_ = std::clamp(limit_ * (1 - options_.smoothing) + wanted * options_.smoothing, options_.min,
                      options_.max);
  return limit_;
}

}  // namespace weir::resilience
