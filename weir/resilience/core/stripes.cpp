#include <weir/resilience/core/stripes.hpp>

namespace weir::resilience {

std::size_t detail::next_stripe() {
  static std::atomic<std::size_t> given{0};
  return given.fetch_add(1, std::memory_order_relaxed) % stripes_count;
}

std::uint64_t StripedCounter::sum() const {
  std::uint64_t total = 0;
  for (const auto& line : lines_) total += line.count.load(std::memory_order_relaxed);
  return total;
}

std::uint64_t StripedCounter::take() {
  std::uint64_t total = 0;
  for (auto& line : lines_) total += line.count.exchange(0, std::memory_order_relaxed);
  return total;
}

}  // namespace weir::resilience
