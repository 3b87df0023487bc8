#pragma once

#include <cstdint>
#include <stop_token>

namespace weir::cli {

/// A token that fires on SIGINT or SIGTERM. From the first call on, the first of these signals no
/// longer ends the process by itself; a second one does, so that it can always be ended.
/// Threads: any.
std::stop_token stop_on_signals();

/// How many hang-ups (SIGHUP) there have been since the first call, from which on they no longer
/// end the process. Threads: any.
std::uint64_t count_hangups();

}  // namespace weir::cli
