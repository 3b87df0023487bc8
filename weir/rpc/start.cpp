#include <weir/rpc/start.hpp>

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>

namespace weir::rpc {

void start_grpc() {
  static const bool started = [] {
    // Abseil as Debian builds it looks for deadlocks at every lock that gRPC takes, with one lock
    // of its own for all threads.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    // Never undone: taking the library down while threads of it run is not safe in the version
    // that Debian has.
    grpc_init();
    return true;
  }();
  static_cast<void>(started);
}

}  // namespace weir::rpc
