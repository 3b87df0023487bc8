#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::gateway {

/// What is done with percent-encoded characters.
enum class PercentDecoding {
  all,           ///< every %XX
  except_slash,  ///< %2F stays: it is not a separator of the path
  query,         ///< every %XX, and "+" is a space
};

/// Nothing when a "%" is not followed by two hexadecimal digits.
std::optional<std::string> decode_percent(std::string_view text, PercentDecoding how);

}  // namespace weir::gateway
