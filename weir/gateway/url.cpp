#include <weir/gateway/url.hpp>

#include <charconv>

namespace weir::gateway {

std::optional<std::string> decode_percent(std::string_view text, PercentDecoding how) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && how == PercentDecoding::query) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const auto digits = text.substr(i + 1, 2);
      unsigned value = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (error != std::errc{} || digits.size() != 2 || end != digits.data() + 2) return {};
      if (value == '/' && how == PercentDecoding::except_slash) {
        out.append(text.substr(i, 3));
      } else {
        out += static_cast<char>(value);
      }
      i += 2;
    }
  }
  return out;
}

}  // namespace weir::gateway
