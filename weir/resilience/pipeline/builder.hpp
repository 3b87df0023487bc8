#pragma once

#include <memory>
#include <string>
#include <utility>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/resilience/pipeline/presets.hpp>

namespace weir::resilience {

/// Puts a pipeline together: the first strategy is the outermost. A second one of a kind is called
/// timeout_2 and so on, unless its options name it.
///
///   auto pipeline = weir::resilience::pipeline("payments")
///       .timeout({.after = 30s})
///       .retry({.attempts_max = 3, .delay = 1s})
///       .circuit_breaker({.failure_ratio = 0.5, .calls_min = 5, .open_for = 60s})
///       .build();
///
/// Threads: one at a time. It may be built from again; each pipeline has its own state.
class PipelineBuilder {
 public:
  explicit PipelineBuilder(std::string name) { spec_.name = std::move(name); }

  PipelineBuilder& retry(RetryOptions options) { return add(std::move(options)); }
  PipelineBuilder& circuit_breaker(CircuitBreakerOptions options) {
    return add(std::move(options));
  }
  PipelineBuilder& timeout(TimeoutOptions options) { return add(std::move(options)); }
  PipelineBuilder& bulkhead(BulkheadOptions options) { return add(std::move(options)); }
  PipelineBuilder& rate_limiter(RateLimiterOptions options) { return add(std::move(options)); }
  PipelineBuilder& adaptive_limit(AdaptiveLimitOptions options) { return add(std::move(options)); }
  PipelineBuilder& hedging(HedgingOptions options) { return add(std::move(options)); }
  PipelineBuilder& load_shedding(LoadSheddingOptions options) { return add(std::move(options)); }
  PipelineBuilder& chaos_fault(ChaosFaultOptions options) { return add(std::move(options)); }
  PipelineBuilder& chaos_latency(ChaosLatencyOptions options) { return add(std::move(options)); }
  PipelineBuilder& chaos_behaviour(ChaosBehaviourOptions options) {
    return add(std::move(options));
  }
  /// For calls that return a T; the pipeline then runs no others.
  template <class T>
  PipelineBuilder& fallback(FallbackOptions<T> options) {
    return add(ErasedFallback::of(std::move(options)));
  }
  template <class T>
  PipelineBuilder& chaos_outcome(ChaosOutcomeOptions<T> options) {
    return add(ErasedChaosOutcome::of(std::move(options)));
  }
  PipelineBuilder& add(StrategyOptions options);
  /// The strategies of a preset, after those that are there.
  PipelineBuilder& preset(const Preset& preset);

  /// Hears of what the pipeline does. Default: nobody.
  PipelineBuilder& listener(std::shared_ptr<Listener> listener);
  /// Where time comes from; both must outlive the pipeline. Default: the machine's.
  PipelineBuilder& time(const Clock& clock, Timers& timers);
  /// Makes chance repeatable. Default: it is not.
  PipelineBuilder& seed(std::uint64_t seed);
  /// See PipelineSpec::executor.
  PipelineBuilder& executor(std::shared_ptr<Executor> executor);

  const PipelineSpec& spec() const { return spec_; }

  /// Checks every option.
  /// Errors: invalid_argument, "retry.attempts_max: 0, must be from 1 to 1000".
  Result<Pipeline> build() const;

 private:
  PipelineSpec spec_;
};

inline PipelineBuilder pipeline(std::string name) {
  return PipelineBuilder(std::move(name));
}

}  // namespace weir::resilience
