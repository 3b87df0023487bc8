#include <apps/weir/event_text.hpp>

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

bool is_control(std::string_view text, std::size_t i) {
  const auto byte = static_cast<unsigned char>(text[i]);
  // C2 80 to C2 9F are the controls of Unicode's second block.
  return byte < 0x20 || byte == 0x7F ||
         (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0);
}

}  // namespace

EventStyle style_for(std::FILE* file, bool json) {
  if (json) return EventStyle::json;
  return in_colour(file) ? EventStyle::colour : EventStyle::text;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_control(text, i)) {
      const bool second_block = static_cast<unsigned char>(text[i]) == 0xC2;
      if (second_block) ++i;
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    } else {
      out += text[i];
    }
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
