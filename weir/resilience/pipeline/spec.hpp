#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <weir/base/executor.hpp>
#include <weir/resilience/adaptive_limit/adaptive_limit.hpp>
#include <weir/resilience/bulkhead/bulkhead.hpp>
#include <weir/resilience/chaos/chaos.hpp>
#include <weir/resilience/circuit_breaker/circuit_breaker.hpp>
#include <weir/resilience/core/event.hpp>
#include <weir/resilience/fallback/fallback.hpp>
#include <weir/resilience/hedging/hedging.hpp>
#include <weir/resilience/load_shedding/load_shedding.hpp>
#include <weir/resilience/rate_limiter/rate_limiter.hpp>
#include <weir/resilience/retry/retry.hpp>
#include <weir/resilience/timeout/timeout.hpp>

namespace weir::resilience {

/// The options of any strategy.
using StrategyOptions =
    std::variant<RetryOptions, CircuitBreakerOptions, TimeoutOptions, BulkheadOptions,
                 RateLimiterOptions, AdaptiveLimitOptions, HedgingOptions, ErasedFallback,
                 LoadSheddingOptions, ChaosFaultOptions, ErasedChaosOutcome, ChaosLatencyOptions,
                 ChaosBehaviourOptions>;

/// In the order of StrategyOptions.
enum class Kind : std::uint8_t {
  retry,
  circuit_breaker,
  timeout,
  bulkhead,
  rate_limiter,
  adaptive_limit,
  hedging,
  fallback,
  load_shedding,
  chaos_fault,
  chaos_outcome,
  chaos_latency,
  chaos_behaviour,
};

/// "circuit_breaker".
std::string_view name_of(Kind kind);

inline Kind kind_of(const StrategyOptions& options) {
  return static_cast<Kind>(options.index());
}

/// Strategies in one pipeline.
inline constexpr std::size_t strategies_max = 16;

/// What a pipeline is made of: data, outermost first.
struct PipelineSpec {
  std::string name;
  std::vector<StrategyOptions> strategies;

  std::shared_ptr<Listener> listener;
  const Clock* clock = &system_clock();
  Timers* timers = &system_timers();
  /// Nothing: one that nobody can foresee.
  std::optional<std::uint64_t> seed;
  /// Runs the attempts of hedging, and what has a pessimistic timeout, of calls that block.
  /// Nothing: one of its own with 8 threads and a queue of 1,024, if it needs one.
  std::shared_ptr<Executor> executor;
};

}  // namespace weir::resilience
