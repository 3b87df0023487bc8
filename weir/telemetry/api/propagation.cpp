#include <weir/telemetry/api/propagation.hpp>

#include <algorithm>
#include <array>

#include <weir/base/printable.hpp>

namespace weir::telemetry {
namespace {

constexpr std::size_t tracestate_members_max = 32;
constexpr std::size_t baggage_members_max = 64;
constexpr std::size_t baggage_bytes_max = 8192;
constexpr char digits[] = "0123456789ABCDEF";

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

/// Takes what is before `separator` off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const auto at = std::min(rest.find(separator), rest.size());
  const auto part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

bool lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// A key of tracestate: up to 256 characters, or TENANT@VENDOR with up to 241 and 14.
bool is_state_key(std::string_view key) {
  const auto of_key = [](char c) {
    return lower_or_digit(c) || c == '_' || c == '-' || c == '*' || c == '/';
  };
  const auto part_ok = [&](std::string_view part, std::size_t most) {
    return !part.empty() && part.size() <= most && lower_or_digit(part.front()) &&
           std::all_of(part.begin(), part.end(), of_key);
  };
  const auto at = key.find('@');
  if (at == std::string_view::npos) return part_ok(key, 256);
  return part_ok(key.substr(0, at), 241) && part_ok(key.substr(at + 1), 14);
}

bool is_state_value(std::string_view value) {
  return !value.empty() && value.size() <= 256 && value.back() != ' ' &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= 0x20 && c <= 0x7E && c != ',' && c != '='; });
}

/// A token of HTTP (RFC 7230, 3.2.6).
bool is_token(std::string_view text) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != std::string_view::npos;
  });
}

/// With spaces for the tabs that may stand in a header as well, but not in gRPC's metadata.
std::string with_spaces(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '\t', ' ');
  return out;
}

bool is_member(std::string_view key, std::string_view properties) {
  return is_token(key) && is_printable(properties);
}

/// What of a baggage value need not be percent-encoded.
bool is_plain(char c) {
  return c == 0x21 || (c >= 0x23 && c <= 0x2B && c != '%') || (c >= 0x2D && c <= 0x3A) ||
         (c >= 0x3C && c <= 0x5B) || (c >= 0x5D && c <= 0x7E);
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

/// An id as a header may carry it: printable ASCII, not too long.
std::string id_of(std::string_view text) {
  const bool fine = text.size() <= correlation_bytes_max && is_printable(text);
  return fine ? std::string(text) : std::string();
}

class W3cPropagator final : public TextMapPropagator {
 public:
  void inject(const Context& context, TextMapCarrier& carrier) const override {
    if (context.span.valid()) {
      carrier.set(traceparent_header, format_traceparent(context.span));
      if (context.span.trace_state) carrier.set(tracestate_header, *context.span.trace_state);
    }
    if (!context.carried) return;
    const auto& carried = *context.carried;
    if (!carried.baggage.empty()) carrier.set(baggage_header, format_baggage(carried.baggage));
    if (!carried.correlation_id.empty()) carrier.set(correlation_header, carried.correlation_id);
    if (!carried.causation_id.empty()) carrier.set(causation_header, carried.causation_id);
  }

  Context extract(const TextMapCarrier& carrier) const override {
    Context context;
    if (const auto parent = carrier.get(traceparent_header); !parent.empty()) {
      if (auto span = parse_traceparent(trimmed(parent))) {
        context.span = std::move(*span);
        const auto state = trimmed(carrier.get(tracestate_header));
        if (!state.empty() && is_tracestate(state)) {
          context.span.trace_state = std::make_shared<const std::string>(with_spaces(state));
        }
      }
    }
    const auto baggage = carrier.get(baggage_header);
    const auto correlation = carrier.get(correlation_header);
    const auto causation = carrier.get(causation_header);
    if (baggage.empty() && correlation.empty() && causation.empty()) return context;
    context.carried = std::make_shared<const Carried>(Carried{.baggage = parse_baggage(baggage),
                                                              .correlation_id = id_of(correlation),
                                                              .causation_id = id_of(causation)});
    return context;
  }
};

}  // namespace

const TextMapPropagator& w3c_propagator() {
  static const W3cPropagator propagator;
  return propagator;
}

std::string format_traceparent(const SpanContext& context) {
  std::string text = "00-00000000000000000000000000000000-0000000000000000-00";
  write_hex(context.trace_id, text.data() + 3);
  write_hex(context.span_id, text.data() + 36);
  if (context.sampled) text.back() = '1';
  return text;
}

std::optional<SpanContext> parse_traceparent(std::string_view text) {
  constexpr std::size_t length = 55;
  if (text.size() < length || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const auto version = text.substr(0, 2);
  const auto flags = text.substr(53, 2);
  if (!is_lower_hex(version) || version == "ff" || !is_lower_hex(flags)) return std::nullopt;
  if (text.size() > length && (version == "00" || text[length] != '-')) return std::nullopt;
  const auto trace_id = parse_trace_id(text.substr(3, 32));
  const auto span_id = parse_span_id(text.substr(36, 16));
  if (!trace_id || !span_id || !trace_id->valid() || !span_id->valid()) return std::nullopt;
  return SpanContext{.trace_id = *trace_id,
                     .span_id = *span_id,
                     .sampled = (hex_value(flags[1]) & 1) != 0,
                     .remote = true};
}

bool is_tracestate(std::string_view text) {
  std::array<std::string_view, tracestate_members_max> keys;
  std::size_t members = 0;
  while (!text.empty()) {
    auto member = trimmed(take(text, ','));
    if (member.empty()) continue;
    const auto key = take(member, '=');
    if (members == keys.size() || !is_state_key(key) || !is_state_value(member)) return false;
    const auto* const end = keys.begin() + members;
    if (std::find(keys.cbegin(), end, key) != end) return false;
    keys[members++] = key;
  }
  return members > 0;
}

Baggage parse_baggage(std::string_view text) {
  Baggage baggage;
  text = text.substr(0, baggage_bytes_max + 1);
  bool cut = text.size() > baggage_bytes_max;
  while (!text.empty() && baggage.size() < baggage_members_max) {
    auto member = take(text, ',');
    if (text.empty() && cut) break;  // the last one may be incomplete
    member = trimmed(member);
    auto value = take(member, ';');
    const auto key = trimmed(take(value, '='));
    auto properties = with_spaces(trimmed(member));
    if (!is_member(key, properties)) continue;
    baggage.push_back({.key = std::string(key),
                       .value = decoded(trimmed(value)),
                       .properties = std::move(properties)});
  }
  return baggage;
}

std::string format_baggage(const Baggage& baggage) {
  std::string out;
  std::size_t members = 0;
  for (const auto& member : baggage) {
    if (!is_member(member.key, member.properties)) continue;
    auto text = member.key + "=" + encoded(member.value);
    if (!member.properties.empty()) text += ";" + member.properties;
    if (out.size() + text.size() + 1 > baggage_bytes_max || ++members > baggage_members_max) break;
    if (!out.empty()) out += ',';
    out += text;
  }
  return out;
}

}  // namespace weir::telemetry
