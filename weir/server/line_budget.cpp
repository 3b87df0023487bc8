#include <weir/server/line_budget.hpp>

#include <utility>

namespace weir::server {

std::uint64_t LineBudget::take(Instant now) {
  if (!refilled_) refilled_ = now;
  for (; now - *refilled_ >= between && lines_ < burst; *refilled_ += between) ++lines_;
  if (lines_ == burst) refilled_ = now;
  ++silent_;
  if (lines_ == 0) return 0;
  --lines_;
  return std::exchange(silent_, 0);
}

}  // namespace weir::server
