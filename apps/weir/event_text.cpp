#include <apps/weir/event_text.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/json.hpp>
#include <weir/io/event_line.hpp>

#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

constexpr std::string_view faint = "\x1b[2m";
constexpr std::string_view bold = "\x1b[1m";
constexpr std::string_view cyan = "\x1b[36m";
constexpr std::string_view plain = "\x1b[0m";

/// What may not be sent to a terminal: how many bytes it has, none when it may; and how it is
/// shown.
struct Control {
  std::size_t bytes = 0;
  std::string shown;
};

Control control_at(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return {1, fmt::format("\\x{:02x}", byte(0))};
  // C2 80 to C2 9F are the controls of Unicode's second block.
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0) {
    return {2, fmt::format("\\x{:02x}", byte(1))};
  }
  // Those that turn the direction of writing: text would stand elsewhere than it does.
  if (text.starts_with("\u061C")) return {2, "\\u061c"};
  if (byte(0) != 0xE2) return {};
  const auto code = 0x2000 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  const bool turns = code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
                     (code >= 0x2066 && code <= 0x2069);
  return turns ? Control{3, fmt::format("\\u{:04x}", code)} : Control{};
}

}  // namespace

EventStyle style_for(std::FILE* file, bool json) {
  if (json) return EventStyle::json;
  return in_colour(file) ? EventStyle::colour : EventStyle::text;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto control = control_at(text);
    if (control.bytes == 0) out += text.front();
    out += control.shown;
    text.remove_prefix(std::max<std::size_t>(control.bytes, 1));
  }
  return out;
}

void append_event(std::string& out, const EventView& event, EventStyle style) {
  if (style == EventStyle::json) return io::append_event_line(out, event);
  const auto put = [&](std::string_view colour, const std::string& text) {
    if (style == EventStyle::colour) out += colour;
    out += text;
    if (style == EventStyle::colour) out += plain;
  };
  put(bold, fmt::format("{:>6}", event.position().value));
  out += "  ";
  put(faint, fmt::format("{:<24}", format_timestamp(event.occurred_at())));
  out += "  ";
  put(bold, printable(event.type()));
  for (const auto tag : event.tags()) {
    out += ' ';
    put(cyan, printable(tag));
  }
  out += "  ";
  if (is_utf8(event.data())) {
    out += printable(event.data());
  } else {
    out += fmt::format("({} bytes of {})", event.data().size(), printable(event.content_type()));
  }
  out += '\n';
}

std::string to_text(const Batch& batch, EventStyle style) {
  std::string out;
  for (const auto& event : batch) append_event(out, event, style);
  return out;
}

}  // namespace weir::cli
