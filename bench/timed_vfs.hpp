#pragma once

#include <chrono>

namespace weir::bench {

/// The name of a SQLite VFS that is the system's own, but keeps count of how long write-ahead logs
/// take to reach the disk. Registered when first asked for.
const char* timed_vfs();

/// How long that was, for all files since the program began. Threads: any.
std::chrono::nanoseconds wal_sync_time();

}  // namespace weir::bench
