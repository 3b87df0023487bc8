#include <weir/store/resilient/operation.hpp>

#include <weir/resilience/core/transient.hpp>

namespace weir::resilient {

Error with_advice(Error error, const resilience::Pipeline& pipeline) {
  const bool says = error.retry_after && error.retry_after->count() > 0;
  if (says || error.code != Code::unavailable) return error;
  const auto core = pipeline.core();
  for (const auto& level : core->levels) {
    if (level.kind != resilience::Kind::retry) continue;
    error.retry_after =
        std::chrono::ceil<std::chrono::milliseconds>(level.as<resilience::RetryOptions>().delay);
  }
  return error;
}

}  // namespace weir::resilient
