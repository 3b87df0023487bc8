#pragma once

#include <cstdint>

namespace weir {

/// 64 bits nobody can foresee, from the machine: a seed for what takes chance as an argument.
/// Threads: any.
std::uint64_t random_seed();

}  // namespace weir
