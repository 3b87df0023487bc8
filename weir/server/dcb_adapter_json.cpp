#include <weir/server/dcb_adapter_json.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include <weir/base/excerpt.hpp>
#include <weir/base/json.hpp>
#include <weir/gateway/base64.hpp>
#include <weir/gateway/url.hpp>

namespace weir::server {
namespace {

namespace json = boost::json;

constexpr std::string_view data_content_type = "text/plain; charset=utf-8";
constexpr std::size_t depth_max = 8;

Result<json::value> parse(std::string_view text, const std::string& field) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = depth_max;
  auto value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return invalid_field(field, fmt::format("not valid JSON: {}", error.message()));
  return value;
}

/// Calls `read(key, value, name)` for each member; null counts as not being there.
template <class Read>
Result<void> read_members(const json::value& value, const std::string& field, Read read) {
  if (!value.is_object()) return invalid_field(field, "must be an object");
  for (const auto& member : value.get_object()) {
    if (member.value().is_null()) continue;
    const std::string_view key = member.key();
    WEIR_TRY(read(key, member.value(), fmt::format("{}.{}", field, excerpt(key, 64))));
  }
  return {};
}

/// Calls `read(value, name)` for each element.
template <class Read>
Result<void> read_elements(const json::value& value, const std::string& field, Read read) {
  if (!value.is_array()) return invalid_field(field, "must be an array");
  for (std::size_t i = 0; i < value.get_array().size(); ++i) {
    WEIR_TRY(read(value.get_array()[i], fmt::format("{}[{}]", field, i)));
  }
  return {};
}

Result<void> read_into(std::string& out, const json::value& value, const std::string& field) {
  if (!value.is_string()) return invalid_field(field, "must be a string");
  out = value.get_string();
  return {};
}

Result<void> read_into(std::vector<std::string>& out, const json::value& value,
                       const std::string& field) {
  return read_elements(value, field, [&](const json::value& element, const std::string& name) {
    return read_into(out.emplace_back(), element, name);
  });
}

Result<void> read_into(bool& out, const json::value& value, const std::string& field) {
  if (!value.is_bool()) return invalid_field(field, "must be true or false");
  out = value.get_bool();
  return {};
}

Result<void> read_into(std::optional<std::uint64_t>& out, const json::value& value,
                       const std::string& field) {
  if (value.is_uint64()) {
    out = value.get_uint64();
  } else if (value.is_int64() && value.get_int64() >= 0) {
    out = static_cast<std::uint64_t>(value.get_int64());
  } else {
    return invalid_field(field, "must be a whole number, 0 or more");
  }
  return {};
}

Result<void> read_into(QueryItem& out, const json::value& value, const std::string& field) {
  return read_members(value, field,
                      [&](std::string_view key, const json::value& member,
                          const std::string& name) -> Result<void> {
                        if (key == "types") return read_into(out.types, member, name);
                        if (key == "tags") return read_into(out.tags, member, name);
                        return invalid_field(name, "unknown field; there are types and tags");
                      });
}

Result<void> read_into(Query& out, const json::value& value, const std::string& field) {
  return read_members(value, field,
                      [&](std::string_view key, const json::value& member,
                          const std::string& name) -> Result<void> {
                        if (key != "items")
                          return invalid_field(name, "unknown field; there is items");
                        return read_elements(
                            member, name, [&](const json::value& element, const std::string& item) {
                              return read_into(out.items.emplace_back(), element, item);
                            });
                      });
}

Result<void> read_into(Event& out, const json::value& value, const std::string& field) {
  out.content_type = data_content_type;
  return read_members(value, field,
                      [&](std::string_view key, const json::value& member,
                          const std::string& name) -> Result<void> {
                        if (key == "type") return read_into(out.type, member, name);
                        if (key == "tags") return read_into(out.tags, member, name);
                        if (key == "data") return read_into(out.data, member, name);
                        return invalid_field(name, "unknown field; there are type, tags and data");
                      });
}

Result<void> read_into(Condition& out, const json::value& value, const std::string& field) {
  std::optional<std::uint64_t> after;
  WEIR_TRY(read_members(value, field,
                        [&](std::string_view key, const json::value& member,
                            const std::string& name) -> Result<void> {
                          if (key == "failIfEventsMatch")
                            return read_into(out.fail_if_events_match, member, name);
                          if (key == "after") return read_into(after, member, name);
                          return invalid_field(
                              name, "unknown field; there are failIfEventsMatch and after");
                        }));
  if (after) out.after = to_position(*after);
  return {};
}

Result<void> read_options(ReadRequest& out, const json::value& value) {
  std::optional<std::uint64_t> from;
  bool backwards = false;
  WEIR_TRY(read_members(value, "options",
                        [&](std::string_view key, const json::value& member,
                            const std::string& name) -> Result<void> {
                          if (key == "from") return read_into(from, member, name);
                          if (key == "limit") return read_into(out.limit, member, name);
                          if (key == "backwards") return read_into(backwards, member, name);
                          return invalid_field(
                              name, "unknown field; there are from, limit and backwards");
                        }));
  if (backwards) out.direction = Direction::backwards;
  if (from && backwards) out.until = to_position(*from);
  if (from && !backwards) out.after = to_position(*from).previous();
  return {};
}

Result<void> read_parameter(ReadRequest& out, std::string_view name, std::string_view encoded) {
  const auto field = excerpt(name, 64);
  if (name != "query" && name != "options") {
    return invalid_field(field, "unknown parameter; there are query and options");
  }
  const auto text = gateway::decode_percent(encoded, gateway::PercentDecoding::query);
  if (!text) return invalid_field(field, "a % must be followed by two hexadecimal digits");
  WEIR_TRY_ASSIGN(value, parse(*text, field));
  if (value.is_null()) return {};
  return name == "query" ? read_into(out.query, value, field) : read_options(out, value);
}

}  // namespace

Result<ReadRequest> parse_dcb_read(std::string_view url_query) {
  ReadRequest request;
  while (!url_query.empty()) {
    const auto parameter = url_query.substr(0, url_query.find('&'));
    url_query.remove_prefix(std::min(parameter.size() + 1, url_query.size()));
    if (parameter.empty()) continue;
    const auto equals = std::min(parameter.find('='), parameter.size());
    const auto value = parameter.substr(std::min(equals + 1, parameter.size()));
    WEIR_TRY(read_parameter(request, parameter.substr(0, equals), value));
  }
  return request;
}

Result<AppendRequest> parse_dcb_append(std::string_view body) {
  WEIR_TRY_ASSIGN(value, parse(body, "body"));
  AppendRequest request;
  if (!value.is_object()) return invalid_field("body", "must be an object");
  for (const auto& member : value.get_object()) {
    if (member.value().is_null()) continue;
    const auto name = excerpt(member.key(), 64);
    if (name == "events") {
      WEIR_TRY(read_elements(member.value(), name,
                             [&](const json::value& element, const std::string& field) {
                               return read_into(request.events.emplace_back(), element, field);
                             }));
    } else if (name == "condition") {
      WEIR_TRY(read_into(request.condition.emplace(), member.value(), name));
    } else {
      return invalid_field(name, "unknown field; there are events and condition");
    }
  }
  return request;
}

void append_dcb_event(std::string& out, const EventView& event) {
  out += "{\"type\":";
  append_json_string(out, event.type());
  out += ",\"tags\":[";
  const char* separator = "";
  for (const auto tag : event.tags()) {
    out += separator;
    append_json_string(out, tag);
    separator = ",";
  }
  out += "],\"data\":";
  const bool text = is_utf8(event.data());
  append_json_string(out, text ? event.data() : gateway::encode_base64(event.data()));
  if (!text) out += ",\"dataEncoding\":\"base64\"";
  fmt::format_to(std::back_inserter(out), ",\"position\":{}}}", event.position().value);
}

}  // namespace weir::server
