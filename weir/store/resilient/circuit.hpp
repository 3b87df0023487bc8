#pragma once

#include <optional>
#include <string_view>

#include <weir/resilience/pipeline/pipeline.hpp>

namespace weir::resilient {

// Of the circuit of a shield's pipeline, which has one of each strategy.

const resilience::Level& level_of(const resilience::Core& core, resilience::Kind kind);

/// Tells the pipeline's listener, if it has one, of something that `level` did.
void tell(const resilience::Core& core, const resilience::Level& level, std::string_view operation,
          resilience::Event event);
/// Does nothing when there was no change.
void tell_change(const resilience::Core& core, const resilience::Level& level,
                 std::string_view operation, const resilience::CircuitBreaker::Change& change);

/// Whether a call that began now would be refused by the circuit; asks for no admission, so that
/// whoever would be a probe is one later. Quick while the circuit is closed.
struct Refusal {
  /// Nothing when nobody can tell.
  std::optional<resilience::Duration> retry_after = std::nullopt;
};
std::optional<Refusal> refusal_of(const resilience::Core& core);

/// The error of a call that begins while the circuit refuses, told to the listener; nothing when it
/// may begin.
std::optional<Error> refused_at_once(const resilience::Pipeline& pipeline,
                                     std::string_view operation);

}  // namespace weir::resilient
