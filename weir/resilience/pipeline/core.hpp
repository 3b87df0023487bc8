#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <weir/resilience/core/chance.hpp>
#include <weir/resilience/pipeline/spec.hpp>

namespace weir::resilience {

/// One strategy of a built pipeline: its options, which never change, and its machine, if it keeps
/// anything between calls, which a reload hands on.
struct Level {
  Kind kind;
  StrategyOptions options;
  std::shared_ptr<void> machine;

  /// Only for the options of `kind`.
  template <class Options>
  const Options& as() const {
    return *std::get_if<Options>(&options);
  }
  /// Only for the machine of `kind`.
  template <class Machine>
  Machine& with() const {
    return *static_cast<Machine*>(machine.get());
  }
  const std::string& name() const;
  /// Whether what is inside runs beside its caller: hedging, a pessimistic timeout.
  bool runs_beside() const;
};

/// What the way of nearly every call needs of a level, close together.
struct HotLevel {
  Kind kind;
  /// Whether the level has no quick way in, so that Execution::enter() must do.
  bool slow;
  void* machine;
  /// Of a retry.
  RetryBudget* budget;
  /// Of a timeout.
  Duration after;
};

/// A built pipeline. Immutable but for the machines.
/// Threads: any.
struct Core {
  std::string name;
  std::vector<Level> levels;
  /// For each level, the first at or after it that runs beside; otherwise levels.size().
  std::array<std::uint8_t, strategies_max + 1> segment_end{};
  std::array<HotLevel, strategies_max> hot{};
  /// Nothing runs beside, nobody looks at values or wants calls: a value is a success for all.
  bool plain = false;
  std::shared_ptr<Listener> listener;
  bool wants_calls = false;
  /// What calls return, if a strategy must know; otherwise null.
  TypeKey type = nullptr;
  const Clock* clock = nullptr;
  Timers* timers = nullptr;
  std::shared_ptr<Chance> chance;
  std::shared_ptr<Executor> executor;
};

using CorePtr = std::shared_ptr<const Core>;

/// Checks every option, and builds. Machines of `previous` go on in strategies of the same kind and
/// name; nothing of it is touched unless all is well.
/// Errors: invalid_argument, naming the option and its range.
Result<CorePtr> build_core(const PipelineSpec& spec, const Core* previous);

}  // namespace weir::resilience
