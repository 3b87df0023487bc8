#include <weir/gateway/gateway.hpp>

#include <fmt/format.h>

#include <weir/gateway/grpc_web.hpp>
#include <weir/gateway/rest.hpp>

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

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(GatewayOptions options) {
  if (!options.channel) return invalid_field("channel", "it is missing");
  if (options.unary_timeout.count() <= 0) {
    return invalid_field("unary_timeout", "a timeout must be positive");
  }
  WEIR_TRY_ASSIGN(services, find_services(options.services));
  auto upstream = std::make_shared<Upstream>(
      Upstream{grpc::GenericStub(options.channel), options.unary_timeout,
               std::move(options.passed_headers), options.http.clock});
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
