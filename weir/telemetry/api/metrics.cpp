#include <weir/telemetry/api/metrics.hpp>

namespace weir::telemetry {
namespace {

class NoMeter final : public Meter {
 public:
  Counter counter(const MetricSpec&) override { return Counter(); }
  UpDownCounter up_down_counter(const MetricSpec&) override { return UpDownCounter(); }
  Histogram histogram(const MetricSpec&) override { return Histogram(); }
  std::unique_ptr<Observed> observe(const MetricSpec&, ObserveCallback) override {
    return std::make_unique<Observed>();
  }
};

}  // namespace

Meter& no_meter() {
  static NoMeter meter;
  return meter;
}

std::string_view name_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return "counter";
    case MetricKind::up_down_counter:
      return "updowncounter";
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::histogram:
      return "histogram";
  }
  return "unknown";
}

HistogramCell::HistogramCell(std::span<const double> bounds)
    : bounds_(bounds), exemplars_(std::make_unique<ExemplarSlot[]>(bounds.size() + 1)) {
  for (auto& shard : shards_) {
    shard.counts = std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1);
  }
}

HistogramCell::Totals HistogramCell::totals() const {
  Totals totals;
  const auto buckets = bounds_.size() + 1;
  totals.counts.resize(buckets);
  totals.exemplars.resize(buckets);
  for (const auto& shard : shards_) {
    totals.sum += shard.sum.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < buckets; ++i) {
      totals.counts[i] += shard.counts[i].load(std::memory_order_relaxed);
    }
  }
  for (std::size_t i = 0; i < buckets; ++i) {
    totals.count += totals.counts[i];
    totals.exemplars[i] = exemplars_[i].get();
  }
  return totals;
}

}  // namespace weir::telemetry
