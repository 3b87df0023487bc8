#include <weir/store/resilient/options.hpp>

#include <fmt/format.h>

namespace weir::resilient {
namespace {

Result<void> check(std::string_view name, const Strategies& strategies) {
  for (const auto& checked :
       {resilience::check(strategies.timeout), resilience::check(strategies.retry),
        resilience::check(strategies.circuit_breaker)}) {
    if (checked) continue;
    auto error = checked.error();
    error.message = fmt::format("{}: {}", name, error.message);
    return error;
  }
  return {};
}

}  // namespace

Strategies of_preset(const resilience::Preset& preset) {
  Strategies strategies;
  for (auto& options : resilience::strategies_of(preset)) {
    if (auto* timeout = std::get_if<resilience::TimeoutOptions>(&options)) {
      strategies.timeout = std::move(*timeout);
    } else if (auto* retry = std::get_if<resilience::RetryOptions>(&options)) {
      strategies.retry = std::move(*retry);
    } else if (auto* breaker = std::get_if<resilience::CircuitBreakerOptions>(&options)) {
      strategies.circuit_breaker = std::move(*breaker);
    }
  }
  return strategies;
}

Result<ShieldOptions> preset(std::string_view name) {
  WEIR_TRY_ASSIGN(found, resilience::preset_named(name));
  const auto strategies = of_preset(found);
  return ShieldOptions{.read = strategies, .write = strategies};
}

Result<void> check(const ShieldOptions& options) {
  WEIR_TRY(check("store.read", options.read));
  WEIR_TRY(check("store.write", options.write));
  return check(options.recovery);
}

}  // namespace weir::resilient
