#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir::resilience {

/// A cache line of x86 and of most ARM processors.
inline constexpr std::size_t cache_line_bytes = 64;
inline constexpr std::size_t stripes_count = 8;

namespace detail {
std::size_t next_stripe();
inline constinit thread_local std::size_t stripe_of_thread = 0;  // 0: not given yet
}  // namespace detail

/// A number of the calling thread, from 0 to stripes_count - 1; threads that follow one another
/// get different ones.
inline std::size_t thread_stripe() {
  if (detail::stripe_of_thread == 0) detail::stripe_of_thread = detail::next_stripe() + 1;
  return detail::stripe_of_thread - 1;
}

/// A counter that threads add to without getting in one another's way.
class StripedCounter {
 public:
  void add_one() { lines_[thread_stripe()].count.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t sum() const;
  /// Sets it to 0 and tells what it was; what is added meanwhile is in one or the other.
  std::uint64_t take();

 private:
  struct alignas(cache_line_bytes) Line {
    std::atomic<std::uint64_t> count{0};
  };
  std::array<Line, stripes_count> lines_;
};

}  // namespace weir::resilience
