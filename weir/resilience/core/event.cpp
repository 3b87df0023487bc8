#include <weir/resilience/core/event.hpp>

#include <array>

namespace weir::resilience {

std::string_view name_of(EventKind kind) {
  static constexpr std::array<std::string_view, 12> names = {
      "retried", "opened",    "half_opened", "closed",   "rejected",  "timed_out",
      "hedged",  "fell_back", "injected",    "reloaded", "attempted", "finished"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace weir::resilience
