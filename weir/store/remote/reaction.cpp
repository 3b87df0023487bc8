#include <weir/store/remote/reaction.hpp>

namespace weir::remote {

Result<void> may_wait() {
  if (!CallEnd::reacting()) return {};
  return Error{
      .code = Code::failed_precondition,
      .reason = Reason::unspecified,
      .message = "a callback must not block: use the asynchronous call, or another thread"};
}

}  // namespace weir::remote
