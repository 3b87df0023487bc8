#include <weir/gateway/json_reader.hpp>

#include <optional>
#include <set>

#include <fmt/format.h>

#include <weir/base/excerpt.hpp>
#include <weir/gateway/base64.hpp>
#include <weir/gateway/json_cursor.hpp>
#include <weir/gateway/payload.hpp>
#include <weir/gateway/scalar.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;
using Kind = JsonCursor::Kind;

class Reader {
 public:
  explicit Reader(std::string_view text) : cursor_(text) {}

  Result<void> message(pb::Message& message) {
    if (is_time(*message.GetDescriptor())) {
      WEIR_TRY(expect(Kind::string));
      return set_time(message, cursor_.string(), path_);
    }
    WEIR_TRY(expect(Kind::object));
    cursor_.enter();
    const auto outer = path_.size();
    std::set<const Field*> seen;
    std::optional<Payload> payload;
    for (std::string name; cursor_.next_member(name); path_.resize(outer)) {
      append_name(name);
      const auto* field = find_field(*message.GetDescriptor(), name);
      const bool base64 = field == nullptr;
      if (base64) field = find_base64_field(*message.GetDescriptor(), name);
      if (field == nullptr) return unknown_field(*message.GetDescriptor());
      if (!seen.insert(field).second) return problem("given twice");
      if (is_payload(*field)) {
        payload = Payload{field, base64, path_, {}, 0};
        payload->raw = cursor_.raw(&payload->levels);
      } else {
        WEIR_TRY(this->field(message, *field));
      }
    }
    // Last, because the content type may stand behind it.
    if (payload) return set_payload(message, *payload);
    set_no_payload(message);
    return {};
  }

  Result<void> field(pb::Message& message, const Field& field) {
    if (cursor_.kind() == Kind::null) {
      cursor_.raw();
      return {};
    }
    if (const auto* oneof = field.real_containing_oneof();
        oneof != nullptr && message.GetReflection()->HasOneof(message, oneof)) {
      return problem(fmt::format("only one of the fields of '{}' may be given", oneof->name()));
    }
    if (field.is_map()) return map(message, field);
    return field.is_repeated() ? list(message, field) : value(message, field);
  }

  void append_name(std::string_view name) {
    if (!path_.empty()) path_ += '.';
    path_ += excerpt(name, 128);
  }

 private:
  struct Payload {
    const Field* field;
    bool base64;
    std::string where;
    std::string_view raw;
    std::size_t levels;
  };

  Error problem(std::string_view what) const {
    return invalid_field(path_.empty() ? "body" : std::string_view(path_), what);
  }

  Error unknown_field(const pb::Descriptor& type) const {
    return problem(fmt::format("unknown field; {} has no such field", type.name()));
  }

  Result<void> expect(Kind kind) const {
    if (cursor_.kind() == kind) return {};
    return problem(fmt::format("expected {}, not {}", name_of(kind), name_of(cursor_.kind())));
  }

  static const Field* find_base64_field(const pb::Descriptor& type, std::string_view name) {
    if (!name.ends_with("Base64")) return nullptr;
    const auto* field = find_field(type, name.substr(0, name.size() - 6));
    return field != nullptr && is_payload(*field) ? field : nullptr;
  }

  static Result<void> set_payload(pb::Message& message, const Payload& payload) {
    const auto form = payload.base64 ? PayloadForm::base64 : payload_form(message, *payload.field);
    if (form == PayloadForm::json && payload.levels > json_depth_max) {
      return invalid_field(payload.where,
                           fmt::format("nested deeper than {} levels", json_depth_max));
    }
    std::string bytes(payload.raw);
    if (form != PayloadForm::json) {
      JsonCursor cursor(payload.raw);
      if (cursor.kind() != Kind::string) {
        return invalid_field(
            payload.where,
            fmt::format("expected a string{}, not {}",
                        form == PayloadForm::text ? ", as the content type is text"
                                                  : " of base64, as the content type is not JSON",
                        name_of(cursor.kind())));
      }
      bytes = cursor.string();
      if (form == PayloadForm::base64) {
        auto decoded = decode_base64(bytes);
        if (!decoded) return invalid_field(payload.where, "expected base64");
        bytes = std::move(*decoded);
      }
    }
    message.GetReflection()->SetString(&message, payload.field, std::move(bytes));
    return {};
  }

  /// As in NDJSON, JSON that is not given is an empty object.
  static void set_no_payload(pb::Message& message) {
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const auto& field = *type.field(i);
      const auto& reflection = *message.GetReflection();
      std::string scratch;
      const bool missing = is_payload(field) && payload_form(message, field) == PayloadForm::json &&
                           reflection.GetStringReference(message, &field, &scratch).empty();
      if (missing) reflection.SetString(&message, &field, "{}");
    }
  }

  Result<void> list(pb::Message& message, const Field& field) {
    WEIR_TRY(expect(Kind::array));
    cursor_.enter();
    const auto outer = path_.size();
    for (std::size_t i = 0; cursor_.next_element(); ++i, path_.resize(outer)) {
      path_ += fmt::format("[{}]", i);
      if (cursor_.kind() == Kind::null) return problem("null is no element of a list");
      WEIR_TRY(value(message, field));
    }
    return {};
  }

  Result<void> map(pb::Message& message, const Field& field) {
    WEIR_TRY(expect(Kind::object));
    cursor_.enter();
    const auto outer = path_.size();
    std::set<std::string> seen;
    for (std::string key; cursor_.next_member(key); path_.resize(outer)) {
      append_name(key);
      if (!seen.insert(key).second) return problem("given twice");
      if (cursor_.kind() == Kind::null) return problem("null is no value of a map");
      auto* entry = message.GetReflection()->AddMessage(&message, &field);
      WEIR_TRY(set_scalar(*entry, *field.message_type()->map_key(), key, path_));
      WEIR_TRY(value(*entry, *field.message_type()->map_value()));
    }
    return {};
  }

  /// One value: a singular field's, or the next element of a repeated one.
  Result<void> value(pb::Message& message, const Field& field) {
    if (field.cpp_type() == Field::CPPTYPE_MESSAGE) {
      const auto* reflection = message.GetReflection();
      return this->message(field.is_repeated() ? *reflection->AddMessage(&message, &field)
                                               : *reflection->MutableMessage(&message, &field));
    }
    const auto kind = cursor_.kind();
    const bool number =
        field.cpp_type() != Field::CPPTYPE_STRING && field.cpp_type() != Field::CPPTYPE_BOOL;
    if (field.cpp_type() == Field::CPPTYPE_BOOL) {
      WEIR_TRY(expect(Kind::boolean));
    } else if (kind != Kind::string && !(number && kind == Kind::number)) {
      WEIR_TRY(expect(number ? Kind::number : Kind::string));
    }
    if (kind == Kind::string) return set_scalar(message, field, cursor_.string(), path_);
    return set_scalar(message, field, cursor_.raw(), path_);
  }

  JsonCursor cursor_;
  std::string path_;
};

Result<void> check(std::string_view text, std::string_view where) {
  const auto checked = check_json(text, body_depth_max);
  if (checked) return {};
  const auto& message = checked.error().message;
  const auto colon = message.find(": ");
  auto problem = message.substr(colon == std::string::npos ? 0 : colon + 2);
  // Most likely it is a payload that nests so deep.
  if (problem.starts_with("nested")) {
    problem += fmt::format("; a payload may have {} of them", json_depth_max);
  }
  return invalid_field(where, problem);
}

}  // namespace

Result<void> read_json(std::string_view text, pb::Message& message) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return invalid_field("body", "it is empty; a JSON object is expected");
  }
  WEIR_TRY(check(text, "body"));
  return Reader(text).message(message);
}

Result<void> read_json_field(std::string_view text, pb::Message& message, const Field& field) {
  if (text.empty()) return invalid_field(field.json_name(), "it is empty; JSON is expected");
  WEIR_TRY(check(text, field.json_name()));
  Reader reader(text);
  reader.append_name(field.json_name());
  return reader.field(message, field);
}

const Field* find_field(const pb::Descriptor& type, std::string_view name) {
  const std::string key(name);
  if (const auto* field = type.FindFieldByName(key)) return field;
  // The pool's camelCase index; json_name may differ from it when the proto sets one.
  if (const auto* field = type.FindFieldByCamelcaseName(key);
      field != nullptr && field->json_name() == key) {
    return field;
  }
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->json_name() == key) return type.field(i);
  }
  return nullptr;
}

}  // namespace weir::gateway
