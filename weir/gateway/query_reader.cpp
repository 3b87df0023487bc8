#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <weir/base/excerpt.hpp>
#include <weir/base/json.hpp>
#include <weir/gateway/json_reader.hpp>
#include <weir/gateway/scalar.hpp>
#include <weir/gateway/url.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

/// What stands before the separator; takes both off the rest.
std::string_view take_until(std::string_view& rest, char separator) {
  std::size_t end = 0;
  while (end < rest.size() && rest[end] != separator) ++end;
  const auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

struct Target {
  pb::Message* message;
  const Field* field;
  /// The path in the proto's own names.
  std::string path;
};

/// Walks to the message that holds the last field of a dotted path.
Result<Target> find_target(std::string_view path, std::string_view where, pb::Message& message) {
  Target target{&message, nullptr, {}};
  for (auto rest = path;;) {
    const auto name = take_until(rest, '.');
    target.field = find_field(*target.message->GetDescriptor(), name);
    if (target.field == nullptr) return invalid_field(where, "unknown parameter");
    if (!target.path.empty()) target.path += '.';
    target.path += target.field->name();
    if (name.end() == path.end()) return target;
    if (target.field->cpp_type() != Field::CPPTYPE_MESSAGE || target.field->is_repeated()) {
      return invalid_field(
          where, fmt::format("unknown parameter; '{}' has no fields", target.field->json_name()));
    }
    target.message = target.message->GetReflection()->MutableMessage(target.message, target.field);
  }
}

Result<void> set_target(const Target& target, std::string_view text, std::string_view where) {
  const auto& field = *target.field;
  if (field.cpp_type() != Field::CPPTYPE_MESSAGE) {
    return set_scalar(*target.message, field, text, where);
  }
  const auto* reflection = target.message->GetReflection();
  if (is_time(*field.message_type()) && !field.is_map()) {
    return set_time(field.is_repeated() ? *reflection->AddMessage(target.message, &field)
                                        : *reflection->MutableMessage(target.message, &field),
                    text, where);
  }
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (field.is_repeated() && !field.is_map() && begin != std::string_view::npos &&
      text[begin] != '[') {
    return read_json_field(fmt::format("[{}]", text), *target.message, field);
  }
  return read_json_field(text, *target.message, field);
}

/// Text from a URL, fit for an error message.
std::string shown(std::string_view name) {
  return is_utf8(name) ? excerpt(name, 128) : "query";
}

}  // namespace

Result<void> read_text(std::string_view path, std::string_view text, pb::Message& message) {
  WEIR_TRY_ASSIGN(target, find_target(path, path, message));
  return set_target(target, text, path);
}

Result<void> read_query(std::string_view query, const std::vector<std::string>& taken,
                        pb::Message& message) {
  std::set<std::string> seen;
  while (!query.empty()) {
    auto parameter = take_until(query, '&');
    if (parameter.empty()) continue;
    const auto name = decode_percent(take_until(parameter, '='), PercentDecoding::query);
    if (!name) return invalid_field("query", "a parameter's name is not percent-encoded rightly");
    const auto where = shown(*name);
    const auto text = decode_percent(parameter, PercentDecoding::query);
    if (!text) return invalid_field(where, "its value is not percent-encoded rightly");

    WEIR_TRY_ASSIGN(target, find_target(*name, where, message));
    if (std::find(taken.begin(), taken.end(), target.path) != taken.end()) {
      return invalid_field(where, "it is given in the path");
    }
    const bool many = target.field->is_repeated() && !target.field->is_map();
    if (!seen.insert(target.path).second && !many) return invalid_field(where, "given twice");
    if (const auto* oneof = target.field->real_containing_oneof();
        oneof != nullptr && target.message->GetReflection()->HasOneof(*target.message, oneof)) {
      return invalid_field(
          where, fmt::format("only one of the fields of '{}' may be given", oneof->name()));
    }
    WEIR_TRY(set_target(target, *text, where));
  }
  return {};
}

}  // namespace weir::gateway
