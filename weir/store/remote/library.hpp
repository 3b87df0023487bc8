#pragma once

namespace weir::remote {

/// Makes the gRPC library ready, once for the process; call it before the first channel or server.
/// It stays initialised: without that the last channel to go shuts the library down on a thread of
/// its own, which races with the next channel and with the end of the process.
/// Threads: any.
void keep_grpc();

}  // namespace weir::remote
