#pragma once

namespace weir::rpc {

/// Readies the gRPC library for this process. To be called before the first channel or server;
/// again does nothing.
/// Threads: any.
void start_grpc();

}  // namespace weir::rpc
