#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::io {

/// Appends `bytes` in base64 (RFC 4648, 4, with padding).
void append_base64(std::string& out, std::string_view bytes);

/// Nothing when it is not base64 with padding.
std::optional<std::string> parse_base64(std::string_view text);

}  // namespace weir::io
