#include <weir/gateway/json_cursor.hpp>

#include <algorithm>

#include <weir/base/assert.hpp>

namespace weir::gateway {
namespace {

std::uint32_t hex4(std::string_view digits) {
  std::uint32_t value = 0;
  for (const char c : digits) {
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return value;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0 | point >> 6);
    add(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    add(0xE0 | point >> 12);
    add(0x80 | (point >> 6 & 0x3F));
    add(0x80 | (point & 0x3F));
  } else {
    add(0xF0 | point >> 18);
    add(0x80 | (point >> 12 & 0x3F));
    add(0x80 | (point >> 6 & 0x3F));
    add(0x80 | (point & 0x3F));
  }
}

}  // namespace

JsonCursor::JsonCursor(std::string_view text) : text_(text) {
  skip_space();
}

void JsonCursor::skip_space() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

JsonCursor::Kind JsonCursor::kind() const {
  WEIR_ASSERT(at_ < text_.size());
  switch (text_[at_]) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

void JsonCursor::skip_string() {
  for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (text_[at_] == '\\') ++at_;
  }
  ++at_;
}

std::string_view JsonCursor::raw(std::size_t* levels) {
  const auto begin = at_;
  std::size_t depth = 0;
  std::size_t deepest = 0;
  do {
    const char c = text_[at_];
    if (c == '"') {
      skip_string();
      continue;
    }
    if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
    if (c == '}' || c == ']') --depth;
    ++at_;
    if (depth == 0 && c != '}' && c != ']') {
      at_ = std::min(text_.find_first_of(",}] \n\r\t", at_), text_.size());
    }
  } while (depth > 0 && at_ < text_.size());
  const auto value = text_.substr(begin, at_ - begin);
  if (levels != nullptr) *levels = deepest;
  skip_space();
  return value;
}

std::string JsonCursor::string() {
  WEIR_ASSERT(kind() == Kind::string);
  auto source = raw();
  source = source.substr(1, source.size() - 2);
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\\') {
      out += source[i];
      continue;
    }
    switch (const char escaped = source[++i]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        auto point = hex4(source.substr(i + 1, 4));
        i += 4;
        if (point >= 0xD800 && point < 0xDC00) {
          point = 0x10000 + ((point - 0xD800) << 10) + (hex4(source.substr(i + 3, 4)) - 0xDC00);
          i += 6;
        }
        append_utf8(out, point);
        break;
      }
      default:
        out += escaped;
    }
  }
  return out;
}

void JsonCursor::enter() {
  ++at_;
  skip_space();
}

bool JsonCursor::next_element() {
  if (text_[at_] == ',') {
    ++at_;
    skip_space();
  }
  if (text_[at_] != '}' && text_[at_] != ']') return true;
  ++at_;
  skip_space();
  return false;
}

bool JsonCursor::next_member(std::string& name) {
  if (!next_element()) return false;
  name = string();
  ++at_;  // the colon
  skip_space();
  return true;
}

std::string_view name_of(JsonCursor::Kind kind) {
  switch (kind) {
    case JsonCursor::Kind::object:
      return "an object";
    case JsonCursor::Kind::array:
      return "an array";
    case JsonCursor::Kind::string:
      return "a string";
    case JsonCursor::Kind::number:
      return "a number";
    case JsonCursor::Kind::boolean:
      return "true or false";
    case JsonCursor::Kind::null:
      return "null";
  }
  return "a value";
}

}  // namespace weir::gateway
