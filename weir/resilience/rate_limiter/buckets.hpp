#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include <weir/resilience/core/duration.hpp>

namespace weir::resilience {

/// Whether a call is within its rate.
struct RateAdmission {
  bool admitted = false;
  /// When not: until one will be.
  Duration retry_after{};
  explicit operator bool() const { return admitted; }
};

/// A rate in the form that buckets work with.
struct Rate {
  /// Time in which one permit grows.
  Duration each;
  /// Permits that may have gathered, less one, times `each`.
  Duration slack;
};

/// A token bucket in one number: the moment at which it will be full again (the "theoretical
/// arrival time" of the Generic Cell Rate Algorithm, ITU-T I.371).
/// Threads: any; without a lock.
class TokenBucket {
 public:
  /// Takes `count` permits when there is one; what is missing is owed, and grows first.
  [[gnu::always_inline]] RateAdmission admit(const Rate& rate, Instant now, int count = 1) {
    const auto at = now.time_since_epoch().count();
    auto full_at = full_at_.load(std::memory_order_relaxed);
    while (true) {
      const auto from = std::max(full_at, at);
      const auto wait = from - at - rate.slack.count();
      if (wait > 0) return {.retry_after = Duration(wait)};
      if (full_at_.compare_exchange_weak(full_at, from + count * rate.each.count(),
                                         std::memory_order_relaxed)) {
        return {.admitted = true};
      }
    }
  }

 private:
  std::atomic<Duration::rep> full_at_{0};
};

/// At most so many calls in any window of a length, to a tenth of it: ten segments, of which the
/// oldest leaves as a whole. Threads: one at a time.
class SlidingWindow {
 public:
  static constexpr std::size_t segments = 10;

  /// Counts `count` calls when there is room for one.
  RateAdmission admit(int permits, Duration window, Instant now, int count = 1);

 private:
  std::array<std::int32_t, segments> counts_{};
  std::int32_t total_ = 0;
  std::int64_t segment_ = 0;  // number of the current one, since the clock began
};

}  // namespace weir::resilience
