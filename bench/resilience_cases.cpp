#include <array>
#include <bit>

#include <bench/case.hpp>
#include <bench/resilience_loops.hpp>

namespace weir::bench {
namespace {

using namespace std::chrono_literals;
using resilience::pipeline;
using resilience::PipelineBuilder;

/// What metrics would do with what a pipeline tells: counters, and a histogram of durations.
class Metrics final : public resilience::Listener {
 public:
  void on_event(const resilience::Event& event) noexcept override {
    kinds_[static_cast<std::size_t>(event.kind)].fetch_add(1, std::memory_order_relaxed);
    if (event.kind != resilience::EventKind::finished) return;
    const auto nanoseconds = static_cast<std::uint64_t>(event.duration.count());
    buckets_[std::bit_width(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(nanoseconds, std::memory_order_relaxed);
  }
  bool wants_calls() const override { return true; }

 private:
  std::array<std::atomic<std::uint64_t>, 16> kinds_{};
  std::array<std::atomic<std::uint64_t>, 65> buckets_{};
  std::atomic<std::uint64_t> sum_{0};
};

/// In clock reads, of the same rounds.
Case in_clock_reads(std::string name, double at_most, PipelineBuilder builder,
                    std::function<void(const resilience::Pipeline&)> before = {}) {
  const auto measure = [builder, before](Context& context) -> Result<Figures> {
    WEIR_TRY_ASSIGN(measured, builder.build());
    if (before) before(measured);
    empty_call(measured);  // warms up
    return alternate(
        context.rounds() * 5, [] { return Result<double>(clock_read()); },
        [&] { return Result<double>(empty_call(measured)); });
  };
  return {.name = std::move(name), .unit = "ns", .measure = measure, .at_most = at_most};
}

Case from_two_threads(std::string name, double at_most, PipelineBuilder builder) {
  const auto measure = [builder](Context& context) -> Result<Figures> {
    WEIR_TRY_ASSIGN(measured, builder.build());
    empty_call(measured);
    return alternate(
        context.rounds() * 5, [&] { return Result<double>(empty_call(measured)); },
        [&] { return Result<double>(empty_call_of_two(measured)); });
  };
  return {.name = std::move(name), .unit = "ns", .measure = measure, .at_most = at_most};
}

}  // namespace

std::vector<Case> resilience_cases() {
  const auto force_open = [](const resilience::Pipeline& p) {
    p.circuit_breaker()->force_open(system_clock().instant());
  };
  auto metered = five_strategies();
  metered.listener(std::make_shared<Metrics>());
  return {
      in_clock_reads("resilience: closed breaker over a window of time", 1.5, breaker_over_time()),
      in_clock_reads("resilience: closed breaker over a window by count", 1.5,
                     breaker_over_count()),
      in_clock_reads("resilience: retry", 0.6, pipeline("retry").retry({})),
      in_clock_reads("resilience: bulkhead", 0.6, pipeline("bulkhead").bulkhead({})),
      in_clock_reads("resilience: timeout", 1.5, pipeline("timeout").timeout({})),
      in_clock_reads("resilience: rate limiter", 1.5,
                     pipeline("limiter").rate_limiter({.permits = 10'000'000})),
      in_clock_reads("resilience: five strategies", 3.5, five_strategies()),
      in_clock_reads("resilience: five strategies with metrics", 5.5, metered),
      in_clock_reads("resilience: open breaker refuses", 1.5,
                     pipeline("open").circuit_breaker({.open_for = 1h}), force_open),
      from_two_threads("resilience: closed breaker over time, 2 threads by 1 thread", 3,
                       breaker_over_time()),
      from_two_threads("resilience: closed breaker by count, 2 threads by 1 thread", 3,
                       breaker_over_count()),
  };
}

}  // namespace weir::bench
