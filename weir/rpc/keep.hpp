#pragma once

namespace weir::rpc {

/// Keeps the gRPC library, and the completion queue behind its callbacks, alive for the rest of the
/// process. Call it before the first server or channel.
///
/// gRPC 1.51 takes both down when the last object that uses them goes, and does so while its own
/// threads may still be in the queue: now and then the process then ends in
/// "ref_counted.h: assertion failed: prior > 0". Also turns off Abseil's search for deadlocks,
/// which Debian's build does at every lock.
/// Threads: any.
void keep_grpc();

}  // namespace weir::rpc
