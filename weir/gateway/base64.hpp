#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::gateway {

/// RFC 4648, the standard alphabet, padded. Threads: any.
std::string encode_base64(std::string_view bytes);

/// Reads the standard and the URL-safe alphabet, with padding or without; several padded pieces may
/// follow each other, as gRPC-Web's text form sends them. Nothing when it is not base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace weir::gateway
