#include <weir/server/service.hpp>

#include <grpcpp/channel.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include <weir/gateway/gateway.hpp>
#include <weir/server/dcb_adapter.hpp>
#include <weir/server/health.hpp>
#include <weir/server/resilience_reports.hpp>
#include <weir/server/server.hpp>

/// The protocols with their comments, for /openapi.json: see weir_proto_comments() in cmake/.
extern const std::string_view weir_server_comments;

namespace weir::server {

namespace {

/// Until the program ends: a call of the gateway may be the last to hold its channel, on a thread
/// of gRPC's. That ends with the last channel, and would wait for itself, and abort.
void keep(std::shared_ptr<grpc::Channel> channel) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::shared_ptr<grpc::Channel>>;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(channel));
}

}  // namespace

struct Service::Parts {
  /// First: what all others report with.
  std::shared_ptr<Reporting> reporting;
  std::shared_ptr<Catalog> catalog;
  std::shared_ptr<Health> health;
  std::unique_ptr<Server> server;
  std::unique_ptr<gateway::Gateway> gateway;
  /// Last: they ask the gateway.
  std::vector<std::unique_ptr<telemetry::Observed>> observed;
};

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Service::~Service() { shut_down(std::chrono::milliseconds(0)); }

Result<std::unique_ptr<Service>> Service::start(std::shared_ptr<Catalog> catalog,
                                                const ServiceOptions& options) {
  auto parts = std::make_unique<Parts>();
  parts->catalog = catalog;
  parts->reporting = options.reporting;
  const auto telemetry =
      options.reporting ? options.reporting->telemetry() : telemetry::Telemetry();
  WEIR_TRY_ASSIGN(log, catalog->open("default"));
  WEIR_TRY(check(options.health));
  parts->health = std::make_shared<Health>(catalog, log, options.health, system_clock());
  WEIR_TRY_ASSIGN(server, Server::start(catalog, {.grpc_address = options.grpc_address,
                                                  .admission = options.admission,
                                                  .telemetry = telemetry,
                                                  .health = parts->health}));
  parts->server = std::move(server);
  gateway::GatewayOptions http;
  http.http.address = options.http_address;
  http.http.trust_forwarded = options.trust_forwarded;
  http.peer_metadata = peer_metadata;
  http.services = {"weir.v1.EventLog"};
  http.channel = parts->server->in_process_channel();
  keep(http.channel);
  parts->health->probe_streams([channel = http.channel, patience = options.health.patience](
                                   Position head, Done<Delivered> done) {
    probe_stream(channel, head, patience, system_clock(), std::move(done));
  });
  http.title = "Weir";
  http.version = WEIR_VERSION;
  http.description = "An event store with Dynamic Consistency Boundaries.";
  http.descriptor_set = std::string(weir_server_comments);
  http.routes = parts->health->routes();
  for (auto& route : dcb_adapter_routes(std::move(log), parts->server->admission())) {
    http.routes.push_back(std::move(route));
  }
  if (options.reporting) {
    http.http.tracer = telemetry.tracer;
    http.http.on_response = http_reports(*telemetry.meter);
    http.routes.push_back(options.reporting->metrics_route());
  }
  WEIR_TRY_ASSIGN(made, gateway::Gateway::create(std::move(http)));
  parts->gateway = std::move(made);
  parts->observed = observe_gateway(*telemetry.meter, *parts->gateway);
  if (options.shield) {
    parts->observed.push_back(observe_circuits(*telemetry.meter, options.shield));
  }
  return std::unique_ptr<Service>(new Service(std::move(parts)));
}

std::string Service::grpc_address() const { return parts_->server->grpc_address(); }
std::string Service::http_address() const { return parts_->gateway->address(); }

void Service::shut_down(std::chrono::milliseconds grace) {
  const auto until = system_clock().instant() + grace;
  parts_->health->stop();
  if (parts_->gateway) parts_->gateway->stop(grace);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      until - system_clock().instant());
  parts_->server->shut_down(std::max(left, std::chrono::milliseconds(0)));
  parts_->observed.clear();
}

}  // namespace weir::server
