#include <weir/rpc/server_call.hpp>

namespace weir::rpc {

ServerCall::ServerCall(Poller& poller) : poller_(poller) {
  poller_.begin_call();
  context_.AsyncNotifyWhenDone(tag(over_));
}

ServerCall::~ServerCall() {
  poller_.end_call();
}

void ServerCall::end() {
  if (under_way_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  if (reactor_ != nullptr) reactor_->OnDone();
  delete this;
}

void ServerCall::over(bool) {
  if (context_.IsCancelled() && reactor_ != nullptr) reactor_->OnCancel();
  end();
}

void ServerCall::read_done(bool ok) {
  WEIR_ASSERT(reactor_ != nullptr);
  reactor_->OnReadDone(ok);
  end();
}

void ServerCall::write_done(bool ok) {
  WEIR_ASSERT(reactor_ != nullptr);
  reactor_->OnWriteDone(ok);
  end();
}

}  // namespace weir::rpc
