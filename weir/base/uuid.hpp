#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <weir/base/time.hpp>

namespace weir {

/// 128 bits that name something. A value.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
};

/// 36 characters, lower case: "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11".
std::string to_string(const Uuid& uuid);

/// Writes those 36 characters to `out`, without a terminator.
void write_uuid(const Uuid& uuid, char* out);

/// Reads the form with hyphens, or 32 digits without, in either case. Nothing when it is neither.
std::optional<Uuid> parse_uuid(std::string_view text);

/// A version 7 UUID (RFC 9562, 5.7): milliseconds, then random bits; the later of two made in one
/// thread is the greater. Threads: any.
Uuid make_uuid_v7(Timestamp now);

/// A version 8 UUID (RFC 9562, 5.8) that is the same for the same content.
Uuid make_uuid_of(std::string_view content);

}  // namespace weir
