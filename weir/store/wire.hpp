#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weir::wire {

// The little of protobuf's encoding (protobuf.dev/programming-guides/encoding) that a batch needs.
// A batch is in wire format so that what an engine read goes out without being rebuilt.

enum class Type : std::uint32_t {
  varint = 0,
  fixed64 = 1,
  bytes = 2,
  group = 3,
  end_group = 4,
  fixed32 = 5
};

/// Groups within groups that are skipped; a message with more is malformed.
inline constexpr int groups_max = 32;

inline constexpr std::uint32_t key(std::uint32_t field, Type type) {
  return field << 3 | static_cast<std::uint32_t>(type);
}

inline std::size_t varint_size(std::uint64_t value) {
  std::size_t bytes = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++bytes;
  }
  return bytes;
}

/// Bytes that a length-delimited field below number 16 takes.
inline std::size_t field_size(std::size_t content_bytes) {
  return 1 + varint_size(content_bytes) + content_bytes;
}

inline char* put_varint(char* out, std::uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

inline char* put_bytes(char* out, std::uint32_t field, std::string_view content) {
  out = put_varint(out, key(field, Type::bytes));
  out = put_varint(out, content.size());
  if (!content.empty()) std::memcpy(out, content.data(), content.size());
  return out + content.size();
}

/// Takes fields off the front of a message. After a malformed one, `ok` is false.
class Reader {
 public:
  explicit Reader(std::string_view message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  bool ok() const { return ok_; }
  const char* at() const { return at_; }

  /// The next field; false at the end, or when it is malformed.
  bool next() {
    if (at_ == end_ || !ok_) return false;
    take_field(groups_max);
    return ok_;
  }

  std::uint32_t field() const { return field_; }
  bool is(std::uint32_t field, Type type) const { return field_ == field && type_ == type; }
  /// The same, but with another type the field makes the message malformed.
  bool expect(std::uint32_t field, Type type) {
    if (field_ != field) return false;
    ok_ = ok_ && type_ == type;
    return ok_;
  }
  std::uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  void take_field(int groups_left) {
    const auto tag = take_varint();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    type_ = static_cast<Type>(tag & 7);
    if (field_ == 0 || tag > UINT32_MAX) ok_ = false;
    switch (type_) {
      case Type::varint:
        number_ = take_varint();
        break;
      case Type::bytes:
        bytes_ = take(take_varint());
        break;
      case Type::fixed64:
        bytes_ = take(8);
        break;
      case Type::fixed32:
        bytes_ = take(4);
        break;
      case Type::group:
        skip_group(field_, groups_left);
        break;
      default:
        ok_ = false;
    }
  }
  /// Up to the end of the group that has just begun.
  void skip_group(std::uint32_t field, int groups_left) {
    if (groups_left == 0) ok_ = false;
    while (ok_) {
      const char* const at = at_;
      const auto tag = take_varint();
      if (tag == key(field, Type::end_group)) break;
      at_ = at;
      take_field(groups_left - 1);
    }
    field_ = field;
    type_ = Type::group;
  }
  std::uint64_t take_varint() {
    // Nearly all fit into one byte.
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {
      return static_cast<unsigned char>(*at_++);
    }
    return take_long_varint();
  }
  std::uint64_t take_long_varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      if (shift == 63 && byte > 1) break;  // past 64 bits
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  std::string_view take(std::uint64_t bytes) {
    if (!ok_ || bytes > static_cast<std::uint64_t>(end_ - at_)) {
      ok_ = false;
      return {};
    }
    const std::string_view taken(at_, bytes);
    at_ += bytes;
    return taken;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
  std::uint32_t field_ = 0;
  Type type_ = Type::varint;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace weir::wire
