#include <weir/store/remote/library.hpp>

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>

namespace weir::remote {

void keep_grpc() {
  static const bool kept = [] {
    // Abseil as Debian builds it looks for deadlocks at every lock that gRPC takes, with one lock
    // of its own for all threads.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc_init();
    return true;
  }();
  static_cast<void>(kept);
}

}  // namespace weir::remote
