// Prints what an empty call through our closed circuit breakers costs, in nanoseconds, for
// bench/peers: each alone, and as a pipeline of one strategy.
#include <algorithm>

#include <fmt/format.h>

#include <bench/resilience_loops.hpp>

namespace weir::bench {
namespace {

template <class Called>
double best(Called& called) {
  double least = empty_call(called);
  for (int i = 0; i < 20; ++i) least = std::min(least, empty_call(called));
  return least;
}

void print(const char* name, const resilience::PipelineBuilder& builder) {
  const auto pipeline = builder.build().value();
  fmt::print("\"{}\":{:.3f},\"{}_in_a_pipeline\":{:.3f}", name, best(*pipeline.circuit_breaker()),
             name, best(pipeline));
}

}  // namespace
}  // namespace weir::bench

int main() {
  using namespace weir::bench;
  fmt::print("{{");
  print("count", breaker_over_count());
  fmt::print(",");
  print("time", breaker_over_time());
  fmt::print("}}\n");
}
