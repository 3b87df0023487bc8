#include <weir/store/engine/append_policy.hpp>

namespace weir::engine {

Error nothing_recorded(Error error) {
  error.details[recorded_detail] = "no";
  return error;
}

bool is_nothing_recorded(const Error& error) {
  const auto found = error.details.find(recorded_detail);
  return found != error.details.end() && found->second == "no";
}

}  // namespace weir::engine
