#include <weir/resilience/pipeline/presets.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace weir::resilience {

Result<Preset> preset_named(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  for (const auto& preset : presets) {
    if (preset.name == wanted) return preset;
  }
  return invalid_field(
      "preset", fmt::format("'{}', must be development, production or high-throughput", name));
}

std::vector<StrategyOptions> strategies_of(const Preset& preset) {
  std::vector<StrategyOptions> strategies;
  strategies.emplace_back(TimeoutOptions{.after = preset.timeout});
  strategies.emplace_back(RetryOptions{.attempts_max = preset.attempts_max,
                                       .delay = preset.delay,
                                       .delay_max = preset.delay_max,
                                       .backoff = Backoff::exponential,
                                       .jitter = Jitter::full});
  strategies.emplace_back(CircuitBreakerOptions{.failure_ratio = preset.failure_ratio,
                                                .calls_min = preset.calls_min,
                                                .window = preset.window,
                                                .successes_to_close = preset.successes_to_close,
                                                .open_for = preset.open_for});
  return strategies;
}

}  // namespace weir::resilience
