#pragma once

#include <grpc/grpc.h>

namespace weir::remote {

/// Keeps the gRPC library initialised for the rest of the process. Without it the last channel to
/// go shuts the library down on a thread of its own, which races with the next channel and with
/// the end of the process.
/// Threads: any.
inline void keep_grpc() {
  static const bool kept = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(kept);
}

}  // namespace weir::remote
