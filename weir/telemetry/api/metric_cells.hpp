#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/telemetry/api/context.hpp>

namespace weir::telemetry {

/// Which of a cell's shards this thread adds to.
inline std::size_t shard_of_this_thread() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

/// A value that was measured while its trace was being recorded.
struct Exemplar {
  double value = 0;
  Timestamp at;
  TraceId trace_id;
  SpanId span_id;
};

/// Keeps the newest exemplar. Whoever comes while another writes is not kept.
/// Threads: any.
class ExemplarSlot {
 public:
  void put(double value, const SpanContext& span) {
    if (busy_.test_and_set(std::memory_order_acquire)) return;
    exemplar_ = Exemplar{value, system_clock().now(), span.trace_id, span.span_id};
    busy_.clear(std::memory_order_release);
  }
  /// Nothing while one is being written, or when there was none.
  std::optional<Exemplar> get() const {
    if (busy_.test_and_set(std::memory_order_acquire)) return std::nullopt;
    auto exemplar = exemplar_;
    busy_.clear(std::memory_order_release);
    return exemplar;
  }

 private:
  mutable std::atomic_flag busy_;
  std::optional<Exemplar> exemplar_;
};

/// A sum, in shards so that threads don't wait for each other.
/// Threads: any.
class SumCell {
 public:
  void add(std::int64_t value) {
    shards_[shard_of_this_thread() % shards_.size()].value.fetch_add(value,
                                                                     std::memory_order_relaxed);
  }
  void add(std::int64_t value, const SpanContext& span) {
    add(value);
    if (span.sampled) exemplar_.put(static_cast<double>(value), span);
  }
  std::int64_t total() const {
    std::int64_t sum = 0;
    for (const auto& shard : shards_) sum += shard.value.load(std::memory_order_relaxed);
    return sum;
  }
  std::optional<Exemplar> exemplar() const { return exemplar_.get(); }

 private:
  struct alignas(64) Shard {
    std::atomic<std::int64_t> value{0};
  };
  std::array<Shard, 8> shards_;
  ExemplarSlot exemplar_;
};

/// How values are spread over buckets, and their sum.
/// Threads: any.
class HistogramCell {
 public:
  /// `bounds` must outlive the cell.
  explicit HistogramCell(std::span<const double> bounds);

  /// With the exemplar of what this thread is doing.
  void record(double value) { record(value, current_context().span); }
  void record(double value, const SpanContext& span) {
    const auto bucket = bucket_of(value);
    auto& shard = shards_[shard_of_this_thread() % shards];
    shard.counts[bucket].fetch_add(1, std::memory_order_relaxed);
    shard.sum.fetch_add(value, std::memory_order_relaxed);
    if (span.sampled) exemplars_[bucket].put(value, span);
  }

  struct Totals {
    /// One more than there are bounds; of each bucket alone.
    std::vector<std::uint64_t> counts;
    std::uint64_t count = 0;
    double sum = 0;
    std::vector<std::optional<Exemplar>> exemplars;
  };
  Totals totals() const;
  std::span<const double> bounds() const { return bounds_; }

 private:
  static constexpr std::size_t shards = 4;
  struct alignas(64) Shard {
    std::atomic<double> sum{0};
    std::unique_ptr<std::atomic<std::uint64_t>[]> counts;
  };

  /// A value that is equal to a bound belongs below it.
  std::size_t bucket_of(double value) const {
    std::size_t bucket = 0;
    while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
    return bucket;
  }

  const std::span<const double> bounds_;
  std::array<Shard, shards> shards_;
  std::unique_ptr<ExemplarSlot[]> exemplars_;
};

}  // namespace weir::telemetry
