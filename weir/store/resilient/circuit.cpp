#include <weir/store/resilient/circuit.hpp>

#include <algorithm>

#include <weir/store/resilient/operation.hpp>

namespace weir::resilient {

using resilience::CircuitBreaker;
using resilience::EventKind;
using resilience::Kind;
using resilience::Level;

const Level& level_of(const resilience::Core& core, Kind kind) {
  const auto found = std::find_if(core.levels.begin(), core.levels.end(),
                                  [kind](const Level& level) { return level.kind == kind; });
  WEIR_ASSERT(found != core.levels.end());
  return *found;
}

void tell(const resilience::Core& core, const Level& level, std::string_view operation,
          resilience::Event event) {
  if (!core.listener) return;
  event.pipeline = core.name;
  event.strategy = level.name();
  event.operation = operation;
  core.listener->on_event(event);
}

void tell_change(const resilience::Core& core, const Level& level, std::string_view operation,
                 const CircuitBreaker::Change& change) {
  if (!change.to) return;
  auto kind = EventKind::opened;
  if (*change.to == CircuitBreaker::State::closed) kind = EventKind::closed;
  if (*change.to == CircuitBreaker::State::half_open) kind = EventKind::half_opened;
  tell(core, level, operation,
       {.kind = kind, .duration = change.open_for, .sequence = change.generation});
}

std::optional<Refusal> refusal_of(const resilience::Core& core) {
  const auto& level = level_of(core, Kind::circuit_breaker);
  auto& breaker = level.with<CircuitBreaker>();
  if (breaker.state() == CircuitBreaker::State::closed) return std::nullopt;
  const auto now = core.clock->instant();
  const auto circuit = breaker.snapshot(now);
  if (!circuit.refuses) return std::nullopt;
  if (!circuit.retry_at) return Refusal();
  return Refusal{.retry_after = *circuit.retry_at - now};
}

std::optional<Error> refused_at_once(const resilience::Pipeline& pipeline,
                                     std::string_view operation) {
  const auto core = pipeline.core();
  const auto refusal = refusal_of(*core);
  if (!refusal) return std::nullopt;
  auto error = with_advice(resilience::circuit_is_open(refusal->retry_after), pipeline);
  tell(*core, level_of(*core, Kind::circuit_breaker), operation,
       {.kind = EventKind::rejected, .error = &error});
  return error;
}

}  // namespace weir::resilient
