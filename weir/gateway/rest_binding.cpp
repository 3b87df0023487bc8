#include <algorithm>

#include <fmt/format.h>
#include <google/api/annotations.pb.h>

#include <weir/gateway/v1/annotations.pb.h>
#include <weir/base/excerpt.hpp>
#include <weir/gateway/json_reader.hpp>
#include <weir/gateway/json_writer.hpp>
#include <weir/gateway/rest.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;

Error wrong(const pb::MethodDescriptor& method, std::string_view what) {
  return invalid_field(method.full_name(), what);
}

/// Whether a dotted path leads to a field that plain text can set.
bool has_text_field(const pb::Descriptor* type, std::string_view path) {
  while (type != nullptr) {
    const auto dot = path.find('.');
    const auto* field = type->FindFieldByName(std::string(path.substr(0, dot)));
    if (field == nullptr || field->is_repeated()) return false;
    if (dot == std::string_view::npos) return field->message_type() == nullptr;
    type = field->message_type();
    path.remove_prefix(dot + 1);
  }
  return false;
}

Result<RestBinding> read_rule(const pb::MethodDescriptor& method,
                              const google::api::HttpRule& rule) {
  RestBinding binding;
  binding.method = &method;
  std::string path;
  switch (rule.pattern_case()) {
    case google::api::HttpRule::kGet:
      binding.http_method = "GET", path = rule.get();
      break;
    case google::api::HttpRule::kPut:
      binding.http_method = "PUT", path = rule.put();
      break;
    case google::api::HttpRule::kPost:
      binding.http_method = "POST", path = rule.post();
      break;
    case google::api::HttpRule::kDelete:
      binding.http_method = "DELETE", path = rule.delete_();
      break;
    case google::api::HttpRule::kPatch:
      binding.http_method = "PATCH", path = rule.patch();
      break;
    case google::api::HttpRule::kCustom:
      binding.http_method = rule.custom().kind(), path = rule.custom().path();
      break;
    case google::api::HttpRule::PATTERN_NOT_SET:
      return wrong(method, "its http rule has no path");
  }
  auto parsed = PathTemplate::parse(path);
  if (!parsed) return wrong(method, parsed.error().message);
  binding.path = std::move(*parsed);
  for (const auto& field : binding.path.variables()) {
    if (!has_text_field(method.input_type(), field)) {
      return wrong(method, fmt::format("its http rule has no such field as '{}'", field));
    }
  }
  if (rule.body() == "*") {
    binding.body = RestBinding::Body::whole;
  } else if (!rule.body().empty()) {
    binding.body = RestBinding::Body::field;
    binding.body_field = method.input_type()->FindFieldByName(rule.body());
    if (binding.body_field == nullptr) return wrong(method, "its http rule's body is no field");
  }
  if (!rule.response_body().empty()) return wrong(method, "response_body is not supported");
  return binding;
}

Result<StreamShape> read_shape(const pb::MethodDescriptor& method) {
  StreamShape shape;
  if (!method.options().HasExtension(v1::stream)) return shape;
  const auto& option = method.options().GetExtension(v1::stream);
  const auto find = [&](const pb::Descriptor* type, const std::string& name,
                        const pb::FieldDescriptor*& field) -> Result<void> {
    if (name.empty()) return {};
    field = type == nullptr ? nullptr : type->FindFieldByName(name);
    if (field != nullptr) return {};
    return wrong(method, fmt::format("its stream option names no field: '{}'", name));
  };
  WEIR_TRY(find(method.output_type(), option.items_field(), shape.items));
  if (shape.items != nullptr &&
      (!shape.items->is_repeated() || shape.items->message_type() == nullptr)) {
    return wrong(method, "its stream option's items_field must be a list of messages");
  }
  const auto* element = shape.items != nullptr ? shape.items->message_type() : method.output_type();
  WEIR_TRY(find(element, option.id_field(), shape.id));
  WEIR_TRY(find(method.input_type(), option.resume_field(), shape.resume));
  WEIR_TRY(find(method.output_type(), option.cursor_field(), shape.cursor));
  return shape;
}

/// The path decides; a body that says something else about the same field is a mistake.
Result<void> apply_path(const PathTemplate::Bindings& path, pb::Message& message) {
  for (const auto& [name, text] : path) {
    if (const auto* field = message.GetDescriptor()->FindFieldByName(name)) {
      const bool given = message.GetReflection()->HasField(message, field);
      if (given && field_text(message, *field) != text) {
        return invalid_field(field->json_name(), "the path says something else about it");
      }
    }
    WEIR_TRY(read_text(name, text, message));
  }
  return {};
}

}  // namespace

Result<std::vector<RestBinding>> rest_bindings(const pb::MethodDescriptor& method) {
  std::vector<RestBinding> bindings;
  if (!method.options().HasExtension(google::api::http)) return bindings;
  if (method.client_streaming()) return wrong(method, "a client stream has no form in REST");
  const auto& rule = method.options().GetExtension(google::api::http);
  WEIR_TRY_ASSIGN(shape, read_shape(method));
  const auto add = [&](const google::api::HttpRule& one) -> Result<void> {
    WEIR_TRY_ASSIGN(binding, read_rule(method, one));
    binding.shape = shape;
    bindings.push_back(std::move(binding));
    return {};
  };
  WEIR_TRY(add(rule));
  for (const auto& additional : rule.additional_bindings()) WEIR_TRY(add(additional));
  return bindings;
}

Result<void> read_rest_request(const RestBinding& binding, const HttpRequest& request,
                               const PathTemplate::Bindings& path, pb::Message& message) {
  switch (binding.body) {
    case RestBinding::Body::none:
      if (!request.body.empty()) return invalid_field("body", "this method takes none");
      break;
    case RestBinding::Body::whole:
      WEIR_TRY(read_json(request.body, message));
      break;
    case RestBinding::Body::field:
      WEIR_TRY(read_json_field(request.body, message, *binding.body_field));
      break;
  }
  WEIR_TRY(apply_path(path, message));
  if (binding.body == RestBinding::Body::whole && !request.query.empty()) {
    return invalid_field(excerpt(request.query.substr(0, request.query.find_first_of("=&")), 128),
                         "unknown parameter; this method takes everything in its body");
  }
  auto taken = binding.path.variables();
  if (binding.body_field != nullptr) taken.push_back(binding.body_field->name());
  return read_query(request.query, taken, message);
}

}  // namespace weir::gateway
