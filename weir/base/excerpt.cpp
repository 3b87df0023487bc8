#include <weir/base/excerpt.hpp>

#include <algorithm>

#include <weir/base/json.hpp>

namespace weir {
namespace {

/// Bytes of the character that the text begins with; 0 when it begins with none.
std::size_t character(std::string_view text) {
  const auto most = std::min<std::size_t>(4, text.size());
  for (std::size_t bytes = 1; bytes <= most; ++bytes) {
    if (is_utf8(text.substr(0, bytes))) return bytes;
  }
  return 0;
}

}  // namespace

std::string excerpt(std::string_view text, std::size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const auto bytes = character(text);
    const auto next = bytes == 0 ? std::string_view("?") : text.substr(0, bytes);
    if (out.size() + next.size() > bytes_max) break;
    out += next;
    text.remove_prefix(next.size());
  }
  return out;
}

}  // namespace weir
