#include <weir/io/event_line.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <weir/base/excerpt.hpp>
#include <weir/base/json.hpp>
#include <weir/io/base64.hpp>
#include <weir/io/json_cursor.hpp>

namespace weir::io {
namespace {

/// The order is that of the lines, and of the bits in Parser::seen_.
constexpr std::array<std::string_view, 12> members = {
    "position",   "id",          "type",     "tags",       "data",       "dataText",
    "dataBase64", "contentType", "metadata", "occurredAt", "recordedAt", "tracking"};

bool fits_a_line(std::string_view json) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  return !json.empty() && !is_space(json.front()) && !is_space(json.back()) &&
         json.find_first_of("\r\n") == std::string_view::npos;
}

void append_payload(std::string& out, const EventView& event) {
  const auto data = event.data();
  const auto type = event.content_type();
  const bool json = is_json(type);
  if (json && fits_a_line(data) && check_json(data)) {
    out += ",\"data\":";
    out += data;
  } else if ((json || type.starts_with("text/")) && is_utf8(data)) {
    out += ",\"dataText\":";
    append_json_string(out, data);
  } else {
    out += ",\"dataBase64\":\"";
    append_base64(out, data);
    out += '"';
  }
}

void append_metadata(std::string& out, const std::vector<MetadataEntry>& metadata) {
  if (metadata.empty()) return;
  out += ",\"metadata\":{";
  for (const auto& [key, value] : metadata) {
    if (out.back() != '{') out += ',';
    append_json_string(out, key);
    out += ':';
    append_json_string(out, value);
  }
  out += '}';
}

/// check_json() calls the text that it was given "json".
Error in_member(std::string_view member, const Error& error) {
  std::string_view problem = error.message;
  if (problem.starts_with("json: ")) problem.remove_prefix(6);
  return invalid_field(member, problem);
}

/// Takes one line apart into a LineEvent.
class Parser {
 public:
  explicit Parser(std::string_view line) : cursor_(line) {}

  Result<LineEvent> parse() {
    WEIR_TRY(cursor_.expect('{'));
    if (!cursor_.take('}')) {
      do {
        WEIR_TRY(member());
      } while (cursor_.take(','));
      WEIR_TRY(cursor_.expect('}'));
    }
    if (!cursor_.at_end()) return invalid_field("line", "goes on after the event's closing '}'");
    return finish();
  }

 private:
  Result<void> member() {
    WEIR_TRY_ASSIGN(name, cursor_.string());
    WEIR_TRY(cursor_.expect(':'));
    const auto known = std::find(members.begin(), members.end(), name);
    if (known == members.end()) {
      return invalid_field(excerpt(name, 64),
                           fmt::format("unknown member; there are {}", fmt::join(members, ", ")));
    }
    const auto bit = 1U << (known - members.begin());
    if ((seen_ & bit) != 0) return invalid_field(name, "stands there twice");
    seen_ |= bit;
    if (const auto read = this->read(name); !read) {
      return read.error().message.starts_with(name) ? read.error() : in_member(name, read.error());
    }
    return {};
  }

  Result<void> read(std::string_view name) {
    auto& event = line_.event;
    if (name == "type") return string(event.type);
    if (name == "contentType") return string(event.content_type);
    if (name == "id") return id();
    if (name == "tags") return tags();
    if (name == "data") return data();
    if (name == "dataText") return payload(cursor_.string());
    if (name == "dataBase64") return base64();
    if (name == "metadata") return metadata();
    if (name == "occurredAt") return occurred_at();
    if (name == "tracking") return tracking();
    WEIR_TRY_ASSIGN(passed_over, cursor_.value());
    return check_json(passed_over);
  }

  Result<void> string(std::string& out) {
    WEIR_TRY_ASSIGN(text, cursor_.string());
    out = std::move(text);
    return {};
  }

  Result<void> id() {
    WEIR_TRY_ASSIGN(slice, cursor_.value());
    if (slice == "null") {
      line_.without_id = true;
      return {};
    }
    WEIR_TRY_ASSIGN(text, JsonCursor(slice).string());
    line_.event.id = parse_uuid(text);
    if (!line_.event.id) {
      return invalid_field("id", fmt::format("'{}' is not a UUID", excerpt(text, 64)));
    }
    return {};
  }

  Result<void> tags() {
    WEIR_TRY(cursor_.expect('['));
    if (cursor_.take(']')) return {};
    do {
      WEIR_TRY_ASSIGN(tag, cursor_.string());
      line_.event.tags.push_back(std::move(tag));
    } while (cursor_.take(','));
    return cursor_.expect(']');
  }

  Result<void> data() {
    WEIR_TRY_ASSIGN(slice, cursor_.value());
    WEIR_TRY(check_json(slice));
    inline_ = true;
    return payload(std::string(slice));
  }

  Result<void> base64() {
    WEIR_TRY_ASSIGN(text, cursor_.string());
    auto bytes = parse_base64(text);
    if (!bytes) return invalid_field("dataBase64", "is not base64");
    return payload(std::move(*bytes));
  }

  Result<void> payload(Result<std::string> data) {
    if (!data) return data.error();
    if (payload_) return invalid_field("data", "the payload is given twice");
    payload_ = true;
    line_.event.data = std::move(*data);
    return {};
  }

  Result<void> metadata() {
    WEIR_TRY(cursor_.expect('{'));
    if (cursor_.take('}')) return {};
    do {
      WEIR_TRY_ASSIGN(key, cursor_.string());
      WEIR_TRY(cursor_.expect(':'));
      WEIR_TRY_ASSIGN(value, cursor_.string());
      line_.event.metadata.push_back({std::move(key), std::move(value)});
    } while (cursor_.take(','));
    return cursor_.expect('}');
  }

  Result<void> occurred_at() {
    WEIR_TRY_ASSIGN(text, cursor_.string());
    WEIR_TRY_ASSIGN(time, parse_timestamp(text));
    line_.event.occurred_at = time;
    return {};
  }

  Result<void> tracking() {
    WEIR_TRY(cursor_.expect('{'));
    bool source = false, position = false;
    Tracking tracking;
    do {
      WEIR_TRY_ASSIGN(name, cursor_.string());
      WEIR_TRY(cursor_.expect(':'));
      if (name == "source" && !source) {
        WEIR_TRY(string(tracking.source));
        source = true;
      } else if (name == "position" && !position) {
        WEIR_TRY_ASSIGN(number, cursor_.number());
        tracking.position = number;
        position = true;
      } else {
        return invalid_field("tracking", "has source and position, once each");
      }
    } while (cursor_.take(','));
    WEIR_TRY(cursor_.expect('}'));
    if (!source || !position) return invalid_field("tracking", "needs source and position");
    line_.tracking = std::move(tracking);
    return {};
  }

  Result<LineEvent> finish() {
    auto& event = line_.event;
    if ((seen_ & 4) == 0) return invalid_field("type", "is missing");
    const bool json = is_json(event.content_type);
    if (inline_ && !json) {
      return invalid_field("data", fmt::format("is for JSON; for {} use dataText or dataBase64",
                                               excerpt(event.content_type, 64)));
    }
    if (!payload_ && json) event.data = "{}";
    return std::move(line_);
  }

  JsonCursor cursor_;
  LineEvent line_;
  unsigned seen_ = 0;
  bool payload_ = false;
  bool inline_ = false;
};

}  // namespace

void append_event_line(std::string& out, const EventView& event) {
  fmt::format_to(std::back_inserter(out), "{{\"position\":{},\"id\":", event.position().value);
  if (const auto id = event.id()) {
    out += '"';
    out += to_string(*id);
    out += '"';
  } else {
    out += "null";
  }
  out += ",\"type\":";
  append_json_string(out, event.type());
  out += ",\"tags\":[";
  for (const auto tag : event.tags()) {
    if (out.back() != '[') out += ',';
    append_json_string(out, tag);
  }
  out += ']';
  append_payload(out, event);
  if (!event.content_type().empty()) {
    out += ",\"contentType\":";
    append_json_string(out, event.content_type());
  }
  append_metadata(out, event.metadata());
  out += ",\"occurredAt\":\"";
  out += format_timestamp(event.occurred_at());
  out += '"';
  if (const auto tracking = event.tracking()) {
    out += ",\"tracking\":{\"source\":";
    append_json_string(out, tracking->source);
    fmt::format_to(std::back_inserter(out), ",\"position\":{}}}", tracking->position);
  }
  out += "}\n";
}

Result<LineEvent> parse_event_line(std::string_view line) {
  if (!is_utf8(line)) return invalid_field("line", "is not valid UTF-8");
  return Parser(line).parse();
}

}  // namespace weir::io
