#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::security {

/// 256 bits.
using Digest = std::array<std::uint8_t, 32>;

/// SHA-256 (FIPS 180-4).
Digest sha256(std::string_view bytes);

/// Whether two are the same. Takes the same time wherever they differ.
bool equal(const Digest& a, const Digest& b);

/// 64 digits in lower case.
std::string to_hex(const Digest& digest);
/// Nothing when it is anything else.
std::optional<Digest> digest_from_hex(std::string_view text);

}  // namespace weir::security
