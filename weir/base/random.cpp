#include <weir/base/random.hpp>

#include <sys/random.h>

#include <random>

#include <weir/base/assert.hpp>

namespace weir {

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

std::array<std::uint8_t, 32> random_secret() {
  std::array<std::uint8_t, 32> bytes{};
  // Up to 256 bytes come whole, once the generator is seeded.
  WEIR_ASSERT(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

}  // namespace weir
