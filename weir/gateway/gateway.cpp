#include <weir/gateway/gateway.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/gateway/base64.hpp>
#include <weir/gateway/grpc_web.hpp>
#include <weir/gateway/openapi.hpp>
#include <weir/gateway/rest.hpp>
#include <weir/security/digest.hpp>

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

Handler document(std::vector<Header> headers, std::string text) {
  return [headers = std::move(headers), text = std::move(text)](
             const HttpRequest&, const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.headers = headers, .body = text});
  };
}

/// What stands between two marks of the page, as a browser hashes it.
std::string hash_of(std::string_view page, std::string_view begin, std::string_view end) {
  const auto from = page.find(begin) + begin.size();
  const auto hash = security::sha256(page.substr(from, page.find(end, from) - from));
  return encode_base64({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

/// The page runs its own script and style, and nothing else.
std::vector<Header> headers_of(std::string_view page) {
  return {
      {"Content-Type", "text/html; charset=utf-8"},
      {"Cache-Control", "no-cache"},
      {"Content-Security-Policy",
       fmt::format("default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; "
                   "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                   "frame-ancestors 'none'",
                   hash_of(page, "<script>", "</script>"), hash_of(page, "<style>", "</style>"))}};
}

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(GatewayOptions options) {
  if (!options.channel) return invalid_field("channel", "it is missing");
  if (options.unary_timeout.count() <= 0) {
    return invalid_field("unary_timeout", "a timeout must be positive");
  }
  WEIR_TRY_ASSIGN(services, find_services(options.services));
  auto upstream = std::make_shared<Upstream>(
      Upstream{options.channel, options.poller != nullptr ? options.poller : &rpc::client_poller(),
               options.unary_timeout, std::move(options.passed_headers),
               std::move(options.peer_metadata), options.http.clock});
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
  const auto add_document = [&](const std::string& path, Handler handler) {
    if (options.guard_documents) handler = options.guard_documents(std::move(handler));
    router->add("GET", path, std::move(handler));
  };
  add_document("/openapi.json",
               document({{"Content-Type", "application/json"}}, make_openapi(info, all, comments)));
  add_document("/docs",
               document(headers_of(weir_gateway_docs_page), std::string(weir_gateway_docs_page)));
  router->add("GET", "/", [](const HttpRequest&, const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.status = 302, .headers = {{"Location", "/docs"}}, .body = {}});
  });
  for (auto& route : options.routes) {
    router->add(std::move(route.method), std::move(route.path), std::move(route.handler));
  }
  WEIR_TRY_ASSIGN(
      server, HttpServer::create(std::move(options.http),
                                 [router](HttpRequest request, std::shared_ptr<Exchange> exchange) {
                                   router->handle(std::move(request), std::move(exchange));
                                 }));
  return std::unique_ptr<Gateway>(new Gateway(std::move(server)));
}

}  // namespace weir::gateway
