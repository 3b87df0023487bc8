#include <weir/gateway/openapi_schemas.hpp>

#include <algorithm>

#include <google/protobuf/timestamp.pb.h>
#include <boost/json/array.hpp>

#include <weir/gateway/v1/annotations.pb.h>
#include <weir/gateway/payload.hpp>
#include <weir/gateway/scalar.hpp>

namespace weir::gateway {

namespace json = boost::json;
namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

bool OpenApiSchemas::is_text(const Field& field) const {
  return field.message_type() != nullptr && !field.is_map() && is_time(*field.message_type());
}

json::value OpenApiSchemas::reference(const pb::Descriptor& type) {
  auto found = names_.find(&type);
  if (found == names_.end()) {
    // Two packages may have messages of one name; the second is called by its full name.
    const auto taken = std::any_of(names_.begin(), names_.end(),
                                   [&](const auto& entry) { return entry.second == type.name(); });
    found = names_.emplace(&type, taken || type.name() == "Error" ? type.full_name() : type.name())
                .first;
    // Its own fields may refer to it, hence the name before the schema.
    auto schema = message(type);
    schemas_[found->second] = std::move(schema);
  }
  return {{"$ref", "#/components/schemas/" + found->second}};
}

json::object OpenApiSchemas::of(const Field& field) {
  if (field.is_map()) {
    return {{"type", "object"}, {"additionalProperties", one(*field.message_type()->map_value())}};
  }
  if (field.is_repeated()) return {{"type", "array"}, {"items", one(field)}};
  return one(field);
}

json::object OpenApiSchemas::one(const Field& field) {
  if (is_payload(field)) return {};
  switch (field.cpp_type()) {
    case Field::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case Field::CPPTYPE_INT32:
      return {{"type", "integer"}, {"format", "int32"}};
    case Field::CPPTYPE_UINT32:
      return {{"type", "integer"}, {"minimum", 0}, {"maximum", 4294967295U}};
    case Field::CPPTYPE_INT64:
      return {{"type", {"integer", "string"}},
              {"format", "int64"},
              {"description", "A string when beyond 2^53."}};
    case Field::CPPTYPE_UINT64:
      return {{"type", {"integer", "string"}},
              {"format", "uint64"},
              {"description", "A string when beyond 2^53."}};
    case Field::CPPTYPE_DOUBLE:
    case Field::CPPTYPE_FLOAT:
      return {{"type", {"number", "string"}}};
    case Field::CPPTYPE_ENUM: {
      json::array names;
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        names.push_back(json::string(field.enum_type()->value(i)->name()));
      }
      return {{"type", "string"}, {"enum", std::move(names)}};
    }
    case Field::CPPTYPE_STRING:
      if (field.type() == Field::TYPE_BYTES) {
        return {{"type", "string"}, {"contentEncoding", "base64"}};
      }
      return {{"type", "string"}};
    case Field::CPPTYPE_MESSAGE:
      break;
  }
  if (field.message_type() == pb::Timestamp::descriptor()) {
    return {{"type", "string"}, {"format", "date-time"}};
  }
  if (is_time(*field.message_type())) {
    return {{"type", "string"}, {"pattern", "^-?[0-9]+(\\.[0-9]{1,9})?s$"}};
  }
  return reference(*field.message_type()).as_object();
}

json::object OpenApiSchemas::message(const pb::Descriptor& type) {
  json::object properties;
  json::array required;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    auto schema = of(field);
    if (field.options().GetExtension(v1::required)) {
      required.push_back(json::string(field.json_name()));
    }
    if (const auto comment = comments_.of(field); !comment.empty()) schema["description"] = comment;
    properties[field.json_name()] = std::move(schema);
    if (is_payload(field)) {
      properties[base64_name(field)] = {
          {"type", "string"},
          {"contentEncoding", "base64"},
          {"description", "Instead of " + field.json_name() +
                              " when its bytes are not what the content type says."}};
    }
  }
  json::object schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  if (const auto comment = comments_.of(type); !comment.empty()) schema["description"] = comment;
  return schema;
}

json::object OpenApiSchemas::take() {
  return std::move(schemas_);
}

}  // namespace weir::gateway
