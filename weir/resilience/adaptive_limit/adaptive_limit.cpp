#include <weir/resilience/adaptive_limit/adaptive_limit.hpp>

#include <algorithm>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;

Result<void> check(const AdaptiveLimitOptions& options) {
  return Check(options.name)
      .in("limit_max", options.limit_max, 1, 100'000)
      .in("limit_min", options.limit_min, 1, options.limit_max)
      .in("initial", options.initial, options.limit_min, options.limit_max)
      .in("window", options.window, 1ms, 1h)
      .in("samples_min", options.samples_min, 1, 100'000)
      .above("smoothing", options.smoothing, 0, 1)
      .in("tolerance", options.tolerance, 1.0, 10.0)
      .result();
}

Result<std::unique_ptr<AdaptiveLimit>> AdaptiveLimit::create(const AdaptiveLimitOptions& options) {
  WEIR_TRY(check(options));
  return std::unique_ptr<AdaptiveLimit>(new AdaptiveLimit(options));
}

AdaptiveLimit::AdaptiveLimit(const AdaptiveLimitOptions& options)
    : options_(options), algorithm_(Gradient2({})) {
  begin(options.initial);
}

void AdaptiveLimit::begin(double limit) {
  if (options_.algorithm == LimitAlgorithm::vegas) {
    algorithm_ = Vegas({.initial = limit, .max = static_cast<double>(options_.limit_max)});
  } else {
    algorithm_ = Gradient2({.initial = limit,
                            .min = static_cast<double>(options_.limit_min),
                            .max = static_cast<double>(options_.limit_max),
                            .smoothing = options_.smoothing,
                            .tolerance = options_.tolerance});
  }
  limit_ = static_cast<int>(limit);
}

Result<void> AdaptiveLimit::reconfigure(const AdaptiveLimitOptions& options) {
  WEIR_TRY(check(options));
  const std::lock_guard lock(mutex_);
  options_ = options;
  begin(std::clamp(limit(), options.limit_min, options.limit_max));
  return {};
}

void AdaptiveLimit::leave(Verdict verdict, Duration took, Instant now, double chance) {
  const int in_flight = in_flight_.fetch_sub(1, std::memory_order_relaxed);
  if (verdict == Verdict::neither) return;
  const std::lock_guard lock(mutex_);
  sum_ += std::max(took, Duration(1ns));
  ++samples_;
  in_flight_most_ = std::max(in_flight_most_, in_flight);
  dropped_ = dropped_ || verdict == Verdict::dropped;
  if (window_end_ == Instant{}) window_end_ = later(now, options_.window);
  if (now >= window_end_ && samples_ >= options_.samples_min) end_window(now, chance);
}

void AdaptiveLimit::end_window(Instant now, double chance) {
  const LimitSample sample{
      .round_trip = sum_ / samples_, .in_flight = in_flight_most_, .dropped = dropped_};
  double limit = 0;
  if (auto* vegas = std::get_if<Vegas>(&algorithm_)) {
    limit = std::max<double>(options_.limit_min, vegas->update(sample, chance));
  } else {
    limit = std::get<Gradient2>(algorithm_).update(sample);
  }
  limit_.store(static_cast<int>(limit), std::memory_order_relaxed);
  window_end_ = later(now, options_.window);
  sum_ = {};
  samples_ = 0;
  in_flight_most_ = 0;
  dropped_ = false;
}

}  // namespace weir::resilience
