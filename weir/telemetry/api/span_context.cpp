#include <weir/telemetry/api/span_context.hpp>

namespace weir::telemetry {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

template <std::size_t n>
void write(const std::array<std::uint8_t, n>& bytes, char* out) {
  for (const auto byte : bytes) {
    *out++ = hex_digits[byte >> 4];
    *out++ = hex_digits[byte & 15];
  }
}

int value_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <class Id>
std::optional<Id> parse(std::string_view text) {
  Id id;
  if (text.size() != id.bytes.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const int high = value_of(text[2 * i]);
    const int low = value_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return id;
}

}  // namespace

void write_hex(const TraceId& id, char* out) {
  write(id.bytes, out);
}
void write_hex(const SpanId& id, char* out) {
  write(id.bytes, out);
}

std::string to_string(const TraceId& id) {
  std::string text(32, '0');
  write_hex(id, text.data());
  return text;
}

std::string to_string(const SpanId& id) {
  std::string text(16, '0');
  write_hex(id, text.data());
  return text;
}

std::optional<TraceId> parse_trace_id(std::string_view text) {
  return parse<TraceId>(text);
}
std::optional<SpanId> parse_span_id(std::string_view text) {
  return parse<SpanId>(text);
}

}  // namespace weir::telemetry
