#pragma once

#include <optional>
#include <stop_token>

#include <weir/base/time.hpp>

namespace weir::postgres {

/// How long a caller waits for the server. Past it the running statement is cancelled.
struct Patience {
  /// Default: none.
  std::optional<Instant> deadline = std::nullopt;
  std::stop_token stop = {};
};

}  // namespace weir::postgres
