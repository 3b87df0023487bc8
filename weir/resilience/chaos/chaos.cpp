#include <weir/resilience/chaos/chaos.hpp>

#include <algorithm>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;

bool injects(const Injection& injection, const Context& context, double chance) {
  const bool enabled =
      injection.enabled_generated ? injection.enabled_generated(context) : injection.enabled;
  if (!enabled) return false;
  const double rate = injection.rate_generated ? injection.rate_generated(context) : injection.rate;
  return chance < std::clamp(rate, 0.0, 1.0);
}

Result<void> check(const ChaosFaultOptions& options) {
  return Check(options.name).in("injection.rate", options.injection.rate, 0, 1).result();
}

Result<void> check(const ChaosLatencyOptions& options) {
  return Check(options.name)
      .in("injection.rate", options.injection.rate, 0, 1)
      .in("latency", options.latency, 0h, 24h)
      .result();
}

Result<void> check(const ChaosBehaviourOptions& options) {
  return Check(options.name)
      .in("injection.rate", options.injection.rate, 0, 1)
      .that(static_cast<bool>(options.behaviour), "behaviour", "none; it needs one")
      .result();
}

Result<void> check(const ErasedChaosOutcome& options) {
  return Check(options.name)
      .in("injection.rate", options.injection.rate, 0, 1)
      .that(options.outcome != nullptr, "outcome", "none; it needs one")
      .result();
}

}  // namespace weir::resilience
