#include <weir/server/service.hpp>

#include <fmt/format.h>

#include <weir/gateway/gateway.hpp>
#include <weir/server/dcb_adapter.hpp>
#include <weir/server/health.hpp>
#include <weir/server/server.hpp>

/// The protocols with their comments, for /openapi.json: see weir_proto_comments() in cmake/.
extern const std::string_view weir_server_comments;

namespace weir::server {

struct Service::Parts {
  std::shared_ptr<Catalog> catalog;
  Health health;
  std::unique_ptr<Server> server;
  std::unique_ptr<gateway::Gateway> gateway;
};

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Service::~Service() { shut_down(std::chrono::milliseconds(0)); }

Result<std::unique_ptr<Service>> Service::start(std::shared_ptr<Catalog> catalog,
                                                const ServiceOptions& options) {
  auto parts = std::make_unique<Parts>();
  parts->catalog = catalog;
  WEIR_TRY_ASSIGN(log, catalog->open("default"));
  parts->health.watch(log);
  WEIR_TRY_ASSIGN(server, Server::start(catalog, {.grpc_address = options.grpc_address}));
  parts->server = std::move(server);
  gateway::GatewayOptions http;
  http.http.address = options.http_address;
  http.services = {"weir.v1.EventLog"};
  http.channel = parts->server->in_process_channel();
  http.title = "Weir";
  http.version = WEIR_VERSION;
  http.description = "An event store with Dynamic Consistency Boundaries.";
  http.descriptor_set = std::string(weir_server_comments);
  http.routes = parts->health.routes();
  for (auto& route : dcb_adapter_routes(std::move(log))) http.routes.push_back(std::move(route));
  WEIR_TRY_ASSIGN(made, gateway::Gateway::create(std::move(http)));
  parts->gateway = std::move(made);
  return std::unique_ptr<Service>(new Service(std::move(parts)));
}

std::string Service::grpc_address() const { return parts_->server->grpc_address(); }
std::string Service::http_address() const { return parts_->gateway->address(); }

void Service::shut_down(std::chrono::milliseconds grace) {
  parts_->health.stop();
  if (parts_->gateway) parts_->gateway->stop(grace);
  parts_->server->shut_down(grace);
}

}  // namespace weir::server
