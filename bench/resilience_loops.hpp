#pragma once

#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/resilience/pipeline/builder.hpp>

namespace weir::bench {

/// What calls through pipelines cost, measured by calling them in a loop. All answer nanoseconds a
/// call, over a few milliseconds.

/// Reading steady_clock once: the unit of the others.
double clock_read();
/// A call that does nothing and succeeds.
double empty_call(const resilience::Pipeline& pipeline);
/// The same through a circuit breaker alone, without a pipeline.
double empty_call(resilience::CircuitBreaker& breaker);
/// The same from two threads at once: nanoseconds a call in each of them.
double empty_call_of_two(const resilience::Pipeline& pipeline);

/// Strategies as the cases name them.
resilience::PipelineBuilder breaker_over_time();
resilience::PipelineBuilder breaker_over_count();
resilience::PipelineBuilder five_strategies();

}  // namespace weir::bench
