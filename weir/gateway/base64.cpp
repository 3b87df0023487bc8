#include <weir/gateway/base64.hpp>

#include <array>
#include <cstdint>

namespace weir::gateway {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_values() {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  values['-'] = 62;
  values['_'] = 63;
  return values;
}

/// Appends what a group of 2 to 4 digits stands for. One digit alone stands for nothing.
bool append_group(std::string& out, std::uint32_t bits, int digits) {
  if (digits == 0) return true;
  if (digits == 1) return false;
  bits <<= 6 * (4 - digits);
  for (int i = 0; i < digits - 1; ++i) out += static_cast<char>(bits >> (16 - 8 * i));
  return true;
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= count ? alphabet[bits >> (18 - 6 * j) & 63U] : '=';
    }
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr auto values = make_values();
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=') {
      const std::size_t padding = digits == 2 ? 2 : digits == 3 ? 1 : 0;
      if (padding == 0 || text.substr(i, padding) != std::string_view("==", padding)) return {};
      i += padding - 1;
      append_group(out, bits, digits);
      bits = 0;
      digits = 0;
      continue;
    }
    const int value = values[static_cast<unsigned char>(text[i])];
    if (value < 0) return {};
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++digits == 4) {
      append_group(out, bits, digits);
      bits = 0;
      digits = 0;
    }
  }
  if (!append_group(out, bits, digits)) return {};
  return out;
}

}  // namespace weir::gateway
