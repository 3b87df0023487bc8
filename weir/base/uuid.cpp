#include <weir/base/uuid.hpp>

#include <algorithm>
#include <cstring>
#include <random>

#include <xxhash.h>

namespace weir {
namespace {

constexpr char digits[] = "0123456789abcdef";

/// Per thread: no lock, and an increasing counter within one millisecond.
struct Generator {
  std::mt19937_64 random;
  std::uint64_t last_milliseconds = 0;
  std::uint64_t counter = 0;

  Generator() {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    random.seed(seed);
  }
};

void stamp(Uuid& uuid, std::uint8_t version) {
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0F) | (version << 4));
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);
}

int value_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void write_uuid(const Uuid& uuid, char* out) {
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
    *out++ = digits[uuid.bytes[i] >> 4];
    *out++ = digits[uuid.bytes[i] & 15];
  }
}

std::string to_string(const Uuid& uuid) {
  std::string text(36, '\0');
  write_uuid(uuid, text.data());
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  const bool hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (hyphens && (i == 4 || i == 6 || i == 8 || i == 10)) {
      if (text[at++] != '-') return std::nullopt;
    }
    const int high = value_of(text[at]);
    const int low = value_of(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return uuid;
}

Uuid make_uuid_v7(Timestamp now) {
  thread_local Generator generator;
  const auto milliseconds = static_cast<std::uint64_t>(
      std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count());
  // RFC 9562, 6.2, method 1: a counter in rand_a, begun low so that it has room. A clock that
  // stands still or jumps back, or a counter that is used up, borrows from the next millisecond.
  if (milliseconds > generator.last_milliseconds) {
    generator.last_milliseconds = milliseconds;
    generator.counter = generator.random() & 0x3FF;
  } else if (++generator.counter > 0xFFF) {
    ++generator.last_milliseconds;
    generator.counter = 0;
  }
  const std::uint64_t high = generator.last_milliseconds << 16 | generator.counter;
  const std::uint64_t low = generator.random();
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    uuid.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  stamp(uuid, 7);
  return uuid;
}

Uuid make_uuid_of(std::string_view content) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(content.data(), content.size()));
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), canonical.digest, 16);
  stamp(uuid, 8);
  return uuid;
}

}  // namespace weir
