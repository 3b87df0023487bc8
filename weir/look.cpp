#include <weir/look.hpp>

namespace weir {

resilient::Look look_at(postgres::Database& database) {
  return [looked_at =
              database.weak_from_this()](const CallOptions& call) -> Result<resilient::Answering> {
    const auto there = looked_at.lock();
    if (!there) return shutting_down();
    WEIR_TRY_ASSIGN(writes, there->takes_writes(call));
    return resilient::Answering{.writes = writes};
  };
}

}  // namespace weir
