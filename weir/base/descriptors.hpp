#pragma once

#include <cstddef>

#include <weir/base/result.hpp>

namespace weir {

/// File descriptors that this process may have open. Threads: any.
std::size_t descriptors_max();

/// Raises that number as far as the system lets this process: its hard limit. Not for libraries,
/// whose program may count on the old one (select()).
/// Errors: unavailable, when the system refuses; then it is as it was.
Result<void> raise_descriptors_max();

}  // namespace weir
