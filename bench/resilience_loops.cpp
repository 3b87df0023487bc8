#include <bench/resilience_loops.hpp>

#include <atomic>
#include <chrono>
#include <thread>

#include <weir/resilience/circuit_breaker/call.hpp>

namespace weir::bench {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr int calls = 200'000;

template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

template <class Operation>
double nanoseconds_each(const Operation& operation) {
  const auto begin = Steady::now();
  for (int i = 0; i < calls; ++i) operation();
  return std::chrono::duration<double, std::nano>(Steady::now() - begin).count() / calls;
}

}  // namespace

double clock_read() {
  return nanoseconds_each([] { keep(Steady::now()); });
}

double empty_call(const resilience::Pipeline& pipeline) {
  return nanoseconds_each(
      [&] { keep(pipeline.run([](resilience::Context&) -> Result<void> { return {}; })); });
}

double empty_call(resilience::CircuitBreaker& breaker) {
  const resilience::Handled handled;
  return nanoseconds_each([&] {
    keep(resilience::call(breaker, system_clock(), handled, []() -> Result<void> { return {}; }));
  });
}

double empty_call_of_two(const resilience::Pipeline& pipeline) {
  std::atomic<int> ready{0};
  const auto together = [&] {
    ++ready;
    while (ready < 2) {
    }
    return empty_call(pipeline);
  };
  double of_other = 0;
  std::thread other([&] { of_other = together(); });
  const double own = together();
  other.join();
  return (own + of_other) / 2;
}

resilience::PipelineBuilder breaker_over_time() {
  return resilience::pipeline("time").circuit_breaker({.failure_ratio = 0.5, .window = 30s});
}

resilience::PipelineBuilder breaker_over_count() {
  return resilience::pipeline("count").circuit_breaker(
      {.failure_ratio = 0.5, .calls_min = 100, .window_calls = 100});
}

resilience::PipelineBuilder five_strategies() {
  return resilience::pipeline("five")
      .rate_limiter({.permits = 10'000'000})
      .timeout({.after = 10s})
      .retry({})
      .timeout({.after = 1s})
      .circuit_breaker({});
}

}  // namespace weir::bench
