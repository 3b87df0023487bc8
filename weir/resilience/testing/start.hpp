#pragma once

#include <chrono>

#include <weir/base/time.hpp>

namespace weir::resilience {

/// When the tests of state machines begin: any time but zero.
inline constexpr Instant t0{std::chrono::hours(1)};

}  // namespace weir::resilience
