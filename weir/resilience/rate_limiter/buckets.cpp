#include <weir/resilience/rate_limiter/buckets.hpp>

namespace weir::resilience {

RateAdmission SlidingWindow::admit(int permits, Duration window, Instant now, int count) {
  const auto length = window.count() / static_cast<std::int64_t>(segments);
  const auto at = now.time_since_epoch().count();
  const auto index = [](std::int64_t segment) {
    return static_cast<std::size_t>(segment) % segments;
  };
  const auto segment = at / length;
  const auto passed = std::min<std::int64_t>(segment - segment_, segments);
  for (std::int64_t i = 1; i <= passed; ++i) {
    auto& leaving = counts_[index(segment - passed + i)];
    total_ -= leaving;
    leaving = 0;
  }
  segment_ = std::max(segment_, segment);
  if (total_ < permits) {
    counts_[index(segment_)] += count;
    total_ += count;
    return {.admitted = true};
  }
  // Until enough of the oldest segments have left.
  auto left = total_;
  for (std::int64_t i = 1; i <= static_cast<std::int64_t>(segments); ++i) {
    left -= counts_[index(segment_ + i)];
    if (left < permits) return {.retry_after = Duration((segment_ + i) * length - at)};
  }
  return {.retry_after = window};
}

}  // namespace weir::resilience
