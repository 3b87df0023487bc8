#pragma once

#include <atomic>
#include <cstdint>

namespace weir::resilience {

/// Chance as an argument: the same seed gives the same numbers in the same order.
/// SplitMix64 (Steele, Lea, Flood 2014), whose state is a counter: hence without a lock.
/// Not for secrets. Threads: any.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : counter_(seed) {}

  /// From 0 up to, but never, 1.
  double next() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
  std::uint64_t bits() {
    auto z = counter_.fetch_add(step_, std::memory_order_relaxed) + step_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

 private:
  static constexpr std::uint64_t step_ = 0x9E3779B97F4A7C15ull;
  std::atomic<std::uint64_t> counter_;
};

}  // namespace weir::resilience
