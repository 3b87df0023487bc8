#pragma once

#include <chrono>

#include <weir/base/time.hpp>

namespace weir {

/// How long it is until a deadline: nothing when it is past, and at most a year, so that whatever
/// clock this is added to can tell it. Any instant is a deadline, the first and the last too.
constexpr std::chrono::nanoseconds time_left(Instant deadline, Instant now) {
  constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);
  // Compared before anything is subtracted, which could overflow.
  if (deadline <= now) return std::chrono::nanoseconds(0);
  return deadline >= now + longest ? longest : deadline - now;
}

}  // namespace weir
