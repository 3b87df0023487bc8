#include <weir/resilience/hedging/latency.hpp>

#include <algorithm>
#include <cmath>

namespace weir::resilience {

void LatencyHistogram::add(Duration latency) {
  const double microseconds = std::max(1.0, static_cast<double>(latency.count()) / 1000);
  const auto bucket =
      std::min(static_cast<std::size_t>(std::log2(microseconds) * 8), buckets_count - 1);
  const auto younger = younger_.load(std::memory_order_relaxed);
  auto& generation = generations_[younger];
  generation.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  if (generation.samples.fetch_add(1, std::memory_order_relaxed) + 1 != generation_samples) return;
  // Only the thread that added the last one comes here.
  auto& older = generations_[1 - younger];
  for (auto& count : older.buckets) count.store(0, std::memory_order_relaxed);
  older.samples.store(0, std::memory_order_relaxed);
  younger_.store(1 - younger, std::memory_order_relaxed);
}

std::optional<Duration> LatencyHistogram::percentile(double share) const {
  std::array<std::uint64_t, buckets_count> sums{};
  std::uint64_t samples = 0;
  for (std::size_t i = 0; i < buckets_count; ++i) {
    for (const auto& generation : generations_) {
      sums[i] += generation.buckets[i].load(std::memory_order_relaxed);
    }
    samples += sums[i];
  }
  if (samples < samples_min) return std::nullopt;
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(samples)));
  std::uint64_t passed = 0;
  std::size_t bucket = 0;
  while (bucket + 1 < buckets_count && passed + sums[bucket] < rank) passed += sums[bucket++];
  const double microseconds = std::exp2((static_cast<double>(bucket) + 1) / 8);
  return Duration(static_cast<Duration::rep>(microseconds * 1000));
}

}  // namespace weir::resilience
