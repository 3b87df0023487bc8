#pragma once

#include <cstdint>
#include <stop_token>

namespace weir::cli {

/// From now on SIGINT and SIGTERM end the process with Exit::interrupted, and it says so, until
/// stop_on_signals() is called. A signal that is ignored stays so.
void exit_on_signals();

/// A token that fires on SIGINT or SIGTERM. From the first call on, the first of these signals no
/// longer ends the process by itself; a second one does, so that it can always be ended.
/// Threads: any.
std::stop_token stop_on_signals();

/// How many hang-ups (SIGHUP) there have been since the first call, from which on they no longer
/// end the process. Threads: any.
std::uint64_t count_hangups();

}  // namespace weir::cli
