#pragma once

#include <array>
#include <cstdint>

namespace weir {

/// 64 bits nobody can foresee, from the machine: a seed for what takes chance as an argument.
/// Threads: any.
std::uint64_t random_seed();

/// 256 bits for a secret, from the kernel's generator. Waits for it after the machine's start.
/// Threads: any.
std::array<std::uint8_t, 32> random_secret();

}  // namespace weir
