#pragma once

#include <algorithm>
#include <string_view>

namespace weir {

/// Whether all of it is printable ASCII, 0x20 to 0x7E. gRPC takes no other value as metadata, and
/// ends the program over one.
inline bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace weir
