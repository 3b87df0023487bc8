#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <weir/resilience/pipeline/spec.hpp>

namespace weir::resilience {

/// Defaults that belong together: timeout around retry around circuit breaker. Data; copy one and
/// change what should be otherwise.
struct Preset {
  std::string_view name;
  /// For the whole call, with its retries.
  Duration timeout;
  int attempts_max;
  Duration delay;
  Duration delay_max;
  double failure_ratio;
  int calls_min;
  Duration window;
  Duration open_for;
  int successes_to_close;
};

/// development: fails soon and recovers soon, so that a mistake shows at once.
/// production: for calls that people wait for.
/// high_throughput: for many short calls; retries little and learns from a large window.
inline constexpr std::array<Preset, 3> presets = {{
    {.name = "development",
     .timeout = std::chrono::seconds(10),
     .attempts_max = 2,
     .delay = std::chrono::milliseconds(100),
     .delay_max = std::chrono::seconds(1),
     .failure_ratio = 0.5,
     .calls_min = 5,
     .window = std::chrono::seconds(30),
     .open_for = std::chrono::seconds(5),
     .successes_to_close = 1},
    {.name = "production",
     .timeout = std::chrono::seconds(30),
     .attempts_max = 3,
     .delay = std::chrono::seconds(1),
     .delay_max = std::chrono::seconds(30),
     .failure_ratio = 0.5,
     .calls_min = 5,
     .window = std::chrono::seconds(30),
     .open_for = std::chrono::seconds(60),
     .successes_to_close = 2},
    {.name = "high_throughput",
     .timeout = std::chrono::seconds(5),
     .attempts_max = 2,
     .delay = std::chrono::milliseconds(50),
     .delay_max = std::chrono::seconds(1),
     .failure_ratio = 0.25,
     .calls_min = 100,
     .window = std::chrono::seconds(10),
     .open_for = std::chrono::seconds(10),
     .successes_to_close = 5},
}};

inline constexpr const Preset& development = presets[0];
inline constexpr const Preset& production = presets[1];
inline constexpr const Preset& high_throughput = presets[2];

/// The preset of a name; "high-throughput" is the same as "high_throughput".
/// Errors: invalid_argument, naming those that there are.
Result<Preset> preset_named(std::string_view name);

/// Timeout, retry (exponential, full jitter) and circuit breaker, outermost first.
std::vector<StrategyOptions> strategies_of(const Preset& preset);

}  // namespace weir::resilience
