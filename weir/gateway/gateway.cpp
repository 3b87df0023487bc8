#include <weir/gateway/gateway.hpp>

#include <fmt/format.h>

#include <weir/gateway/grpc_web.hpp>
#include <weir/gateway/openapi.hpp>
#include <weir/gateway/rest.hpp>

extern const std::string_view weir_gateway_docs_page;

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;

Result<std::vector<const pb::ServiceDescriptor*>> find_services(
    const std::vector<std::string>& names) {
  std::vector<const pb::ServiceDescriptor*> services;
  for (const auto& name : names) {
    const auto* service = pb::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) {
      return invalid_field("services", fmt::format("'{}' is not linked into the program", name));
    }
    services.push_back(service);
  }
  return services;
}

void add_document(Router& router, std::string path, std::string type, std::string text) {
  router.add("GET", std::move(path),
             [type = std::move(type), text = std::move(text)](HttpRequest,
                                                              std::shared_ptr<Exchange> exchange) {
               exchange->respond({.headers = {{"Content-Type", type}}, .body = text});
             });
}

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(GatewayOptions options) {
  if (!options.channel) return invalid_field("channel", "it is missing");
  if (options.unary_timeout.count() <= 0) {
    return invalid_field("unary_timeout", "a timeout must be positive");
  }
  WEIR_TRY_ASSIGN(services, find_services(options.services));
  auto upstream = std::make_shared<Upstream>(
      Upstream{grpc::GenericStub(options.channel), options.unary_timeout,
               std::move(options.passed_headers), std::move(options.peer_metadata),
               options.http.clock});
  auto router = std::make_shared<Router>();
  std::vector<RestBinding> all;
  for (const auto* service : services) {
    for (int i = 0; i < service->method_count(); ++i) {
      add_grpc_web_route(*service->method(i), upstream, *router);
      WEIR_TRY_ASSIGN(bindings, rest_bindings(*service->method(i)));
      for (auto& binding : bindings) {
        all.push_back(binding);
        add_rest_route(std::move(binding), upstream, *router);
      }
    }
  }
  WEIR_TRY_ASSIGN(comments, Comments::read(options.descriptor_set));
  const OpenApiInfo info{options.title, options.version, options.description};
  add_document(*router, "/openapi.json", "application/json", make_openapi(info, all, comments));
  add_document(*router, "/docs", "text/html; charset=utf-8", std::string(weir_gateway_docs_page));
  for (auto& route : options.routes) {
    router->add(std::move(route.method), std::move(route.path), std::move(route.handler));
  }
  WEIR_TRY_ASSIGN(server, HttpServer::create(std::move(options.http),
                                             [router](HttpRequest request,
                                                      std::shared_ptr<Exchange> exchange) {
                                               router->handle(std::move(request),
                                                              std::move(exchange));
                                             }));
  return std::unique_ptr<Gateway>(new Gateway(std::move(server)));
}

}  // namespace weir::gateway
