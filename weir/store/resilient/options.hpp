#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/store/resilient/recovery_schedule.hpp>

namespace weir::resilient {

/// Around one kind of operations, outermost first. Whoever begins while the circuit is open is
/// refused at once, without a retry; whoever it opens on waits as `retry_after` says, while there
/// are attempts and time left.
struct Strategies {
  /// Of a whole operation, with all its attempts. Range and default: see TimeoutOptions.
  resilience::TimeoutOptions timeout = {};
  resilience::RetryOptions retry = {};
  resilience::CircuitBreakerOptions circuit_breaker = {};
};

/// The strategies of a preset of weir/resilience.
Strategies of_preset(const resilience::Preset& preset);

struct ShieldOptions {
  /// Of reads, heads, snapshots' loading, and opening and listing logs. Default: production.
  Strategies read = of_preset(resilience::production);
  /// Of appends, saving and deleting snapshots, and creating logs. Default: production.
  Strategies write = of_preset(resilience::production);
  /// Looks whether the database is back while a circuit is open: see Shield::look_with().
  RecoveryOptions recovery = {};
  /// Hears of retries, rejections and circuits. Default: nobody.
  std::shared_ptr<resilience::Listener> listener = nullptr;
  /// Where time and waiting come from; must outlive the shield. Default: the machine's.
  const Clock* clock = &system_clock();
  resilience::Timers* timers = &resilience::system_timers();
  /// Makes chance repeatable. Default: it is not.
  std::optional<std::uint64_t> seed = std::nullopt;
};

/// The options of a preset: development, production or high-throughput.
/// Errors: invalid_argument, naming those that there are.
Result<ShieldOptions> preset(std::string_view name);

/// Errors: invalid_argument, "store.read: retry.attempts_max: 0, must be from 1 to 1000", or
/// "recovery.jitter: 1, must be from 0 to 0.9".
Result<void> check(const ShieldOptions& options);

}  // namespace weir::resilient
