#pragma once

namespace weir::server {

/// What the gRPC library has to say of itself goes to this process's log from now on, as warnings
/// (its errors are mostly of what clients do: a handshake that failed) and as debug lines; of many
/// at once ten are told, then one in ten seconds that says how many there were.
/// Threads: any; for the whole process.
void log_grpc();

/// Drops it instead, for a program whose own errors say all that its user needs.
void drop_grpc_log();

}  // namespace weir::server
