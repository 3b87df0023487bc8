#pragma once

#include <functional>
#include <optional>
#include <string>

#include <weir/resilience/core/context.hpp>

namespace weir::resilience {

struct TimeoutOptions {
  /// For events, descriptions and reloads. Default "timeout".
  std::string name = "timeout";
  /// Range 1 ms to 24 h. Default 30 s.
  Duration after = std::chrono::seconds(30);
  /// Gives it instead, for each call; nothing, or 0 or less: no timeout. Must not throw.
  std::function<std::optional<Duration>(const Context&)> after_generated = {};
  /// For code that cannot be stopped: it runs on another thread (a coroutine: by itself), and when
  /// its time is over the caller is answered while it goes on. It runs on a copy of the function,
  /// which must own what it uses. Default false: the call is told its deadline and is asked to
  /// stop.
  bool pessimistic = false;
};

Result<void> check(const TimeoutOptions& options);

/// The deadline of a call that begins at `now`: nothing when there is no timeout for it.
std::optional<Instant> deadline_of(const TimeoutOptions& options, const Context& context,
                                   Instant now);

/// What a caller gets when `after` is over.
Error timed_out(const TimeoutOptions& options);

}  // namespace weir::resilience
