#include <weir/base/json.hpp>

#include <fmt/format.h>
#include <simdjson.h>
#include <boost/json/basic_parser_impl.hpp>

#include <weir/base/assert.hpp>

namespace weir {
namespace {

namespace json = boost::json;

/// Receives what basic_parser meets and keeps nothing but top-level strings, if anybody asked.
struct Handler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Visit = std::function<void(std::string_view, std::string_view)>;

  const Visit* visit = nullptr;
  std::size_t depth = 0;
  std::size_t depth_max = 0;
  bool object = false;
  std::string key;
  std::string text;

  bool listening() const { return visit != nullptr && depth == 1 && object; }
  bool part(std::string& to, json::string_view s) {
    if (listening()) to.append(s.data(), s.size());
    return true;
  }

  bool deeper(json::error_code& error) {
    if (++depth <= depth_max) return true;
    error = json::error::too_deep;
    return false;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& error) {
    if (depth == 0) object = true;
    return deeper(error);
  }
  bool on_object_end(std::size_t, json::error_code&) { return --depth, true; }
  bool on_array_begin(json::error_code& error) { return deeper(error); }
  bool on_array_end(std::size_t, json::error_code&) { return --depth, true; }
  bool on_key_part(json::string_view s, std::size_t n, json::error_code&) {
    if (n == s.size()) key.clear();
    return part(key, s);
  }
  bool on_key(json::string_view s, std::size_t n, json::error_code&) {
    if (n == s.size()) key.clear();
    text.clear();
    return part(key, s);
  }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) { return part(text, s); }
  bool on_string(json::string_view s, std::size_t, json::error_code&) {
    part(text, s);
    if (listening()) (*visit)(key, text);
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

constexpr std::size_t parser_depth_max = 1024;

Result<void> parse(std::string_view text, const Handler::Visit* visit, std::size_t depth_max) {
  WEIR_ASSERT(depth_max <= parser_depth_max);
  // A parser keeps its stack between documents, which saves its allocation.
  thread_local json::basic_parser<Handler> parser([] {
    json::parse_options options;
    options.max_depth = parser_depth_max;
    return options;
  }());
  parser.reset();
  auto& handler = parser.handler();
  handler.visit = visit;
  handler.depth = 0;
  handler.depth_max = depth_max;
  handler.object = false;
  json::error_code error;
  const auto used = parser.write_some(false, text.data(), text.size(), error);
  handler.visit = nullptr;
  if (!error && used != text.size()) error = json::error::extra_data;
  if (error == json::error::too_deep) {
    return invalid_field("json",
                         fmt::format("nested deeper than {} levels, at byte {}", depth_max, used));
  }
  if (error) {
    return invalid_field("json",
                         fmt::format("not valid JSON at byte {}: {}", used, error.message()));
  }
  return {};
}

}  // namespace

Result<void> check_json(std::string_view text, std::size_t depth_max) {
  return parse(text, nullptr, depth_max);
}

void for_each_top_level_string(
    std::string_view text,
    const std::function<void(std::string_view key, std::string_view value)>& visit) {
  // What is not JSON has no strings to visit; that is no error here.
  static_cast<void>(parse(text, &visit, json_depth_max));
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace weir
