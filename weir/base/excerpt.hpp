#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

/// The beginning of a text that somebody else wrote, fit for an error message: at most `bytes_max`
/// bytes of whole characters, and a '?' for each byte that is not UTF-8.
std::string excerpt(std::string_view text, std::size_t bytes_max);

}  // namespace weir
