#include <weir/resilience/fallback/fallback.hpp>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

Result<void> check(const ErasedFallback& options) {
  return Check(options.name)
      .that(options.action != nullptr, "action", "none; a fallback needs one")
      .result();
}

bool any_error(const Error&) {
  return true;
}

}  // namespace weir::resilience
