#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::telemetry {

/// 16 bytes that name a trace; all zero is none.
struct TraceId {
  std::array<std::uint8_t, 16> bytes{};

  bool valid() const { return *this != TraceId{}; }
  auto operator<=>(const TraceId&) const = default;
};

/// 8 bytes that name a span; all zero is none.
struct SpanId {
  std::array<std::uint8_t, 8> bytes{};

  bool valid() const { return *this != SpanId{}; }
  auto operator<=>(const SpanId&) const = default;
};

/// Lower-case hexadecimal digits: 32, and 16.
std::string to_string(const TraceId& id);
std::string to_string(const SpanId& id);
/// The same written to `out`, without a terminator.
void write_hex(const TraceId& id, char* out);
void write_hex(const SpanId& id, char* out);
/// Nothing when the text is not exactly so many lower-case digits.
std::optional<TraceId> parse_trace_id(std::string_view text);
std::optional<SpanId> parse_span_id(std::string_view text);

/// What of a span travels to its children, in this process and in others. A value; copying it
/// allocates nothing.
struct SpanContext {
  TraceId trace_id;
  SpanId span_id;
  /// The trace is recorded: whoever continues it records its part too.
  bool sampled = false;
  /// It came from another process.
  bool remote = false;
  /// The vendors' part, as it came (W3C tracestate); null when there is none.
  std::shared_ptr<const std::string> trace_state = nullptr;

  bool valid() const { return trace_id.valid() && span_id.valid(); }
};

}  // namespace weir::telemetry
