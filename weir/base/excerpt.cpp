#include <weir/base/excerpt.hpp>

#include <algorithm>

#include <weir/base/json.hpp>

namespace weir {

std::string excerpt(std::string_view text, std::size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    std::size_t bytes = 1;
    while (bytes <= std::min<std::size_t>(4, text.size()) && !is_utf8(text.substr(0, bytes))) {
      ++bytes;
    }
    const bool character = bytes <= std::min<std::size_t>(4, text.size());
    if (!character) bytes = 1;
    if (out.size() + bytes > bytes_max) break;
    if (character) {
      out += text.substr(0, bytes);
    } else {
      out += '?';
    }
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace weir
