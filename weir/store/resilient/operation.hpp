#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/requests.hpp>
#include <weir/store/resilient/circuit.hpp>

namespace weir::resilient {

/// What a caller is told to wait when an error that may pass says nothing of it, or "not at all":
/// the first delay of the pipeline's retry.
Error with_advice(Error error, const resilience::Pipeline& pipeline);

/// Runs one operation of the database that may be repeated, unless the circuit refuses it at once.
/// `f` takes the CallOptions that it is to keep to.
template <class F>
auto run(const resilience::Pipeline& pipeline, std::string_view operation, const CallOptions& call,
         F&& f) -> decltype(f(call)) {
  // What listeners report of it belongs to the caller's trace.
  std::optional<telemetry::Scope> scope;
  if (call.context.span.sampled) scope.emplace(call.context);
  if (auto refused = refused_at_once(pipeline, operation)) return *std::move(refused);
  auto result = pipeline.run({.operation = operation, .deadline = call.deadline, .stop = call.stop},
                             [&](resilience::Context& context) {
                               CallOptions within = call;
                               within.deadline = context.deadline();
                               return f(within);
                             });
  if (result) return result;
  return with_advice(result.error(), pipeline);
}

}  // namespace weir::resilient
