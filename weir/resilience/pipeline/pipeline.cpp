#include <weir/resilience/pipeline/pipeline.hpp>

#include <thread>

namespace weir::resilience {
namespace {

template <class Machine>
Machine* find(const Core& core, Kind kind, std::string_view name) {
  for (const auto& level : core.levels) {
    if (level.kind == kind && level.name() == name) return &level.with<Machine>();
  }
  return nullptr;
}

}  // namespace

CorePtr detail::Slot::pin() const {
  if (!reloadable_) return core_;
  while (busy_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  auto core = core_;
  busy_.clear(std::memory_order_release);
  return core;
}

void detail::Slot::replace(CorePtr core) {
  while (busy_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  core_.swap(core);
  busy_.clear(std::memory_order_release);
}

CircuitBreaker* Pipeline::circuit_breaker(std::string_view name) const {
  return find<CircuitBreaker>(*core(), Kind::circuit_breaker, name);
}

Bulkhead* Pipeline::bulkhead(std::string_view name) const {
  return find<Bulkhead>(*core(), Kind::bulkhead, name);
}

AdaptiveLimit* Pipeline::adaptive_limit(std::string_view name) const {
  return find<AdaptiveLimit>(*core(), Kind::adaptive_limit, name);
}

}  // namespace weir::resilience
