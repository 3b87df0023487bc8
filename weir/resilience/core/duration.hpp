#pragma once

#include <chrono>

#include <weir/base/time.hpp>

namespace weir::resilience {

/// A length of time, to the nanosecond. Options take any std::chrono literal: 30s, 250ms.
using Duration = Instant::duration;

/// `at + length`, at most the last moment there is.
inline Instant later(Instant at, Duration length) {
  return length > Instant::max() - at ? Instant::max() : at + length;
}

}  // namespace weir::resilience
