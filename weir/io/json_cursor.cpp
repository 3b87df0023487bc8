#include <weir/io/json_cursor.hpp>

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace weir::io {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 63));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 63));
    put(0x80 | (c & 63));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 63));
    put(0x80 | (c >> 6 & 63));
    put(0x80 | (c & 63));
  }
}

}  // namespace

void JsonCursor::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

Error JsonCursor::expected(std::string_view what) const {
  return {.code = Code::invalid_argument,
          .reason = Reason::invalid_field,
          .message = fmt::format("not valid JSON: {} expected at byte {}", what, at_ + 1)};
}

bool JsonCursor::take(char c) {
  skip_space();
  if (at_ == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

Result<void> JsonCursor::expect(char c) {
  if (!take(c)) return expected(fmt::format("'{}'", c));
  return {};
}

bool JsonCursor::at_end() {
  skip_space();
  return at_ == text_.size();
}

Result<std::string> JsonCursor::string() {
  if (!take('"')) return expected("a string");
  std::string out;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      return out;
    }
    if (static_cast<unsigned char>(c) < 0x20) return expected("an escaped control character");
    ++at_;
    if (c == '\\') {
      WEIR_TRY(escape(out));
    } else {
      out += c;
    }
  }
  return expected("the end of a string");
}

Result<void> JsonCursor::escape(std::string& out) {
  if (at_ == text_.size()) return expected("an escape");
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  const char c = text_[at_];
  if (const auto known = names.find(c); known != std::string_view::npos) {
    ++at_;
    out += meanings[known];
    return {};
  }
  if (c != 'u') return expected("an escape");
  ++at_;
  WEIR_TRY_ASSIGN(code, four_digits());
  if (code >= 0xDC00 && code < 0xE000) return expected("a whole surrogate pair");
  if (code >= 0xD800 && code < 0xDC00) {
    if (text_.substr(at_, 2) != "\\u") return expected("a whole surrogate pair");
    at_ += 2;
    WEIR_TRY_ASSIGN(low, four_digits());
    if (low < 0xDC00 || low >= 0xE000) return expected("a whole surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, code);
  return {};
}

Result<std::uint32_t> JsonCursor::four_digits() {
  const auto digits = text_.substr(at_, 4);
  std::uint32_t value = 0;
  const auto* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value, 16);
  if (digits.size() < 4 || read.ec != std::errc() || read.ptr != end) {
    return expected("four hexadecimal digits");
  }
  at_ += 4;
  return value;
}

Result<void> JsonCursor::skip_string() {
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] == '"') {
      ++at_;
      return {};
    }
    if (text_[at_] == '\\') ++at_;
  }
  at_ = text_.size();
  return expected("the end of a string");
}

Result<std::string_view> JsonCursor::value() {
  skip_space();
  const auto start = at_;
  std::size_t depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      WEIR_TRY(skip_string());
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at_;
      continue;
    } else if (c == '}' || c == ']' || c == ',') {
      if (depth == 0) break;
      if (c != ',') --depth;
      ++at_;
      if (depth > 0) continue;
    } else if (depth == 0 && is_space(c)) {
      break;
    } else {
      ++at_;
      continue;
    }
    if (depth == 0) break;
  }
  if (at_ == start) return expected("a value");
  if (depth > 0) return expected("a closing bracket");
  return text_.substr(start, at_ - start);
}

Result<std::uint64_t> JsonCursor::number() {
  skip_space();
  const auto start = at_;
  WEIR_TRY_ASSIGN(slice, value());
  std::uint64_t number = 0;
  const auto* end = slice.data() + slice.size();
  const auto read = std::from_chars(slice.data(), end, number);
  const bool padded = slice.size() > 1 && slice.front() == '0';
  if (read.ec != std::errc() || read.ptr != end || padded) {
    at_ = start;
    return expected("a whole number below 2^64");
  }
  return number;
}

}  // namespace weir::io
