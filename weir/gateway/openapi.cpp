#include <weir/gateway/openapi.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <boost/json.hpp>

#include <weir/gateway/openapi_schemas.hpp>

namespace weir::gateway {
namespace {

namespace json = boost::json;
namespace pb = google::protobuf;

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

json::value error_response_of(std::string_view description) {
  return {
      {"description", description},
      {"content", {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Error"}}}}}}}};
}

json::object error_schema() {
  return {{"type", "object"},
          {"required", {"error"}},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"required", {"code", "status", "message"}},
              {"properties",
               {{"code", {{"type", "string"}, {"description", "gRPC's name: ABORTED"}}},
                {"status", {{"type", "integer"}}},
                {"message", {{"type", "string"}}},
                {"reason", {{"type", "string"}}},
                {"details", {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}},
                {"retryAfterSeconds", {{"type", "number"}}}}}}}}}};
}

class Document {
 public:
  explicit Document(const Comments& comments) : comments_(comments), schemas_(comments) {}

  void add(const RestBinding& binding) {
    const auto path = binding.path.simple();
    auto& item = paths_[path];
    if (!item.is_object()) item.emplace_object();
    item.as_object()[lower(binding.http_method)] = operation(binding);
    services_.insert(binding.method->service());
  }

  json::object take(const OpenApiInfo& info) {
    json::array tags;
    for (const auto* service : services_) {
      tags.push_back({{"name", service->name()}, {"description", comments_.of(*service)}});
    }
    auto schemas = schemas_.take();
    schemas["Error"] = error_schema();
    return {{"openapi", "3.1.0"},
            {"info",
             {{"title", info.title}, {"version", info.version}, {"description", info.description}}},
            {"tags", std::move(tags)},
            {"paths", std::move(paths_)},
            {"components", {{"schemas", std::move(schemas)}}}};
  }

 private:
  json::object operation(const RestBinding& binding) {
    const auto& method = *binding.method;
    const int number = ++operations_[method.name()];
    const auto comment = comments_.of(method);
    json::object out = {
        {"operationId", number == 1 ? method.name() : fmt::format("{}_{}", method.name(), number)},
        {"summary", comment.substr(0, comment.find_first_of(".\n"))},
        {"description", comment},
        {"tags", {method.service()->name()}}};
    if (auto list = parameters(binding); !list.empty()) out["parameters"] = std::move(list);
    if (binding.body != RestBinding::Body::none) {
      const auto schema = binding.body == RestBinding::Body::whole
                              ? schemas_.reference(*method.input_type())
                              : schemas_.of(*binding.body_field);
      out["requestBody"] = {{"required", true},
                            {"content", {{"application/json", {{"schema", schema}}}}}};
    }
    out["responses"] = {{"200", success(binding)},
                        {"400", error_response_of("The message names the field that is wrong.")},
                        {"default", error_response_of("Any other failure.")}};
    return out;
  }

  json::object success(const RestBinding& binding) {
    const auto& method = *binding.method;
    const auto whole = schemas_.reference(*method.output_type());
    if (!method.server_streaming()) {
      return {{"description", "Done."}, {"content", {{"application/json", {{"schema", whole}}}}}};
    }
    const auto* items = binding.shape.items;
    const auto element = items != nullptr ? schemas_.reference(*items->message_type()) : whole;
    const json::object list = {{"type", "array"}, {"items", whole}};
    // The form that a client gets who names none stands first.
    json::object content;
    if (binding.shape.resume != nullptr) content["text/event-stream"] = {{"schema", element}};
    content["application/json"] = {{"schema", items != nullptr ? whole : json::value(list)}};
    content["application/x-ndjson"] = {{"schema", element}};
    content["text/event-stream"] = {{"schema", element}};
    return {{"description",
             "A stream. Accept chooses its form: one JSON document, application/x-ndjson (one"
             " element a line; a failure is a last line with \"error\") or text/event-stream (an "
             "element an"
             " event; \"event: error\" for a failure, \"event: end\" at the end)."},
            {"content", std::move(content)}};
  }

  json::array parameters(const RestBinding& binding) {
    json::array out;
    const auto& type = *binding.method->input_type();
    std::set<std::string> taken;
    for (const auto& name : binding.path.variables()) {
      taken.insert(name);
      json::object parameter = {{"name", name}, {"in", "path"}, {"required", true}};
      const auto* field = type.FindFieldByName(name);
      parameter["schema"] =
          field != nullptr ? schemas_.of(*field) : json::object{{"type", "string"}};
      if (field != nullptr) describe(*field, parameter);
      out.push_back(std::move(parameter));
    }
    if (binding.body_field != nullptr) taken.insert(binding.body_field->name());
    for (int i = 0; i < type.field_count() && binding.body != RestBinding::Body::whole; ++i) {
      const auto& field = *type.field(i);
      if (!taken.contains(field.name())) out.push_back(query_parameter(field));
    }
    if (binding.shape.resume != nullptr) {
      out.push_back({{"name", "Last-Event-ID"},
                     {"in", "header"},
                     {"description", fmt::format("Sets {}; browsers send it when they reconnect.",
                                                 binding.shape.resume->json_name())},
                     {"schema", {{"type", "string"}}}});
    }
    out.push_back({{"name", "Request-Timeout"},
                   {"in", "header"},
                   {"description",
                    "Seconds that the call may take, at most 86400: 1.5. Past them, "
                    "the answer is 504."},
                   {"schema", {{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 86'400}}}});
    return out;
  }

  json::object query_parameter(const pb::FieldDescriptor& field) {
    json::object parameter = {{"name", field.json_name()}, {"in", "query"}};
    describe(field, parameter);
    if (field.message_type() != nullptr && !schemas_.is_text(field)) {
      parameter["content"] = {{"application/json", {{"schema", schemas_.of(field)}}}};
    } else {
      parameter["schema"] = schemas_.of(field);
    }
    return parameter;
  }

  void describe(const pb::FieldDescriptor& field, json::object& parameter) const {
    if (const auto comment = comments_.of(field); !comment.empty()) {
      parameter["description"] = comment;
    }
  }

  const Comments& comments_;
  OpenApiSchemas schemas_;
  json::object paths_;
  std::set<const pb::ServiceDescriptor*> services_;
  std::map<std::string, int> operations_;
};

}  // namespace

std::string make_openapi(const OpenApiInfo& info, const std::vector<RestBinding>& bindings,
                         const Comments& comments) {
  Document document(comments);
  for (const auto& binding : bindings) document.add(binding);
  return json::serialize(document.take(info));
}

}  // namespace weir::gateway
