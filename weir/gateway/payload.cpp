#include <weir/gateway/payload.hpp>

#include <algorithm>

#include <weir/gateway/v1/annotations.pb.h>

namespace weir::gateway {

namespace pb = google::protobuf;

PayloadForm payload_form(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
  std::string type(content_type);
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  if (type.empty() || type == "application/json" || type.ends_with("+json")) {
    return PayloadForm::json;
  }
  return type.starts_with("text/") ? PayloadForm::text : PayloadForm::base64;
}

bool is_payload(const pb::FieldDescriptor& field) {
  return field.type() == pb::FieldDescriptor::TYPE_BYTES && !field.is_repeated() &&
         field.options().HasExtension(v1::payload);
}

PayloadForm payload_form(const pb::Message& message, const pb::FieldDescriptor& field) {
  const auto& name = field.options().GetExtension(v1::payload).content_type_field();
  const auto* type = message.GetDescriptor()->FindFieldByName(name);
  if (type == nullptr || type->type() != pb::FieldDescriptor::TYPE_STRING || type->is_repeated()) {
    return PayloadForm::json;
  }
  std::string scratch;
  return payload_form(message.GetReflection()->GetStringReference(message, type, &scratch));
}

std::string base64_name(const pb::FieldDescriptor& field) {
  return field.json_name() + "Base64";
}

}  // namespace weir::gateway
