#include <weir/resilience/core/outcome.hpp>

namespace weir::resilience {

bool Handled::handles(const Outcome& outcome, bool (*default_errors)(const Error&)) const {
  if (const Error* error = outcome.error()) {
    if (error->code == Code::cancelled) return false;
    return errors ? errors(*error) : default_errors(*error);
  }
  if (const auto* exception = outcome.exception()) return !exceptions || exceptions(*exception);
  return values && values(outcome);
}

}  // namespace weir::resilience
