#pragma once

#include <stop_token>

namespace weir::cli {

/// A token that fires on SIGINT or SIGTERM. From the first call on, the first of these signals no
/// longer ends the process by itself; a second one does, so that it can always be ended.
/// Threads: any.
std::stop_token stop_on_signals();

}  // namespace weir::cli
