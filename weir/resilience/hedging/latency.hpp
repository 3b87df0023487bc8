#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include <weir/resilience/core/duration.hpp>

namespace weir::resilience {

/// How long calls took lately, in buckets of which eight double the duration (an error of at most
/// 9 %), from 1 us to about an hour. Two generations: when the younger has its share of samples
/// the older is forgotten.
/// Threads: any; without a lock.
class LatencyHistogram {
 public:
  /// Percentiles count from so many samples on.
  static constexpr std::uint32_t samples_min = 100;
  static constexpr std::uint32_t generation_samples = 2000;

  void add(Duration latency);
  /// The latency that `share` of the calls did not exceed; nothing while there are too few.
  std::optional<Duration> percentile(double share) const;

 private:
  static constexpr std::size_t buckets_count = 8 * 32;
  struct Generation {
    std::array<std::atomic<std::uint32_t>, buckets_count> buckets{};
    std::atomic<std::uint32_t> samples{0};
  };
  std::array<Generation, 2> generations_;
  std::atomic<std::uint32_t> younger_{0};
};

}  // namespace weir::resilience
