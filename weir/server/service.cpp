#include <weir/server/service.hpp>

#include <grpcpp/channel.h>

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include <weir/base/descriptors.hpp>
#include <weir/gateway/errors.hpp>
#include <weir/gateway/gateway.hpp>
#include <weir/security/address.hpp>
#include <weir/server/dcb_adapter.hpp>
#include <weir/server/health.hpp>
#include <weir/server/resilience_reports.hpp>
#include <weir/server/server.hpp>

/// The protocols with their comments, for /openapi.json: see weir_proto_comments() in cmake/.
extern const std::string_view weir_server_comments;

namespace weir::server {

namespace {

/// With connections of HTTP alone the process must not run out of descriptors: gRPC and the store
/// need some too.
gateway::HttpOptions bounded(gateway::HttpOptions http) {
  http.connections_max = std::min(http.connections_max, descriptors_max() / 2);
  return http;
}

/// What nobody may ask for is not read: bodies take memory, up to http.body_bytes_max each. What is
/// open to everybody has none.
std::optional<gateway::HttpResponse> refuse_unknown(const Access& access,
                                                    const gateway::HttpRequest& head) {
  const auto caller = access.caller(head.header("Authorization"), "http:" + head.peer);
  const auto known = caller.known();
  return known ? std::nullopt : std::optional(gateway::error_response(known.error()));
}

/// The same route for those with any token.
gateway::Handler for_tokens(std::shared_ptr<const Access> access, gateway::Handler handler) {
  return [access = std::move(access), handler = std::move(handler)](
             gateway::HttpRequest request, std::shared_ptr<gateway::Exchange> exchange) {
    const auto caller = access->caller(request.header("Authorization"), "http:" + request.peer);
    const auto known = caller.known(request.context);
    if (!known) return exchange->respond(gateway::error_response(known.error()));
    handler(std::move(request), std::move(exchange));
  };
}

bool is_open(ServiceOptions::OpenTo to, const std::string& http_address) {
  if (to != ServiceOptions::OpenTo::loopback) return to == ServiceOptions::OpenTo::everybody;
  const auto loopback = security::is_loopback(http_address, "http.address");
  return loopback && *loopback;
}

}  // namespace

/// Whoever can reach a server without tokens may read and append anything.
Result<void> check_exposure(const ServiceOptions& options, bool has_tokens) {
  for (const auto& [name, address] : {std::pair("grpc.address", options.grpc.grpc_address),
                                      std::pair("http.address", options.http.address)}) {
    WEIR_TRY_ASSIGN(loopback, security::is_loopback(address, name));
    if (loopback || has_tokens || options.listen_unprotected) continue;
    return Error{
        .code = Code::invalid_argument,
        .reason = Reason::invalid_field,
        .message = fmt::format("{}: others could reach {}, and nothing protects this server", name,
                               address),
        .details = {{"field", name},
                    {"remedy",
                     "make a token with 'weir token create' and give its file with --tokens, or "
                     "listen on 127.0.0.1 only, or say --insecure-listen-anywhere where the "
                     "network itself keeps others out"}}};
  }
  return {};
}

Result<void> check(const ServiceOptions& options) {
  WEIR_TRY(check(options.health));
  return check_exposure(options, options.grpc.access && options.grpc.access->has_tokens());
}

struct Service::Parts {
  Parts() = default;
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() {
    // Before the server goes, by which it looks at streams.
    if (health) health->stop();
  }

  /// First: what all others report with.
  std::shared_ptr<Reporting> reporting;
  std::shared_ptr<Access> access;
  std::shared_ptr<Catalog> catalog;
  std::shared_ptr<Health> health;
  std::unique_ptr<Server> server;
  std::unique_ptr<gateway::Gateway> gateway;
  /// Last: they ask the gateway.
  std::vector<std::unique_ptr<telemetry::Observed>> observed;
};

Service::Service(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Service::~Service() {
  shut_down(std::chrono::milliseconds(0));
}

Result<std::unique_ptr<Service>> Service::start(std::shared_ptr<Catalog> catalog,
                                                const ServiceOptions& options) {
  WEIR_TRY(check(options));
  auto parts = std::make_unique<Parts>();
  parts->access =
      options.grpc.access ? options.grpc.access : std::make_shared<Access>(AccessOptions{});
  parts->catalog = catalog;
  parts->reporting = options.reporting;
  const auto telemetry =
      options.reporting ? options.reporting->telemetry() : telemetry::Telemetry();
  WEIR_TRY_ASSIGN(log, catalog->open("default"));
  parts->health = std::make_shared<Health>(catalog, log, options.health, system_clock());
  auto grpc = options.grpc;
  grpc.telemetry = telemetry;
  grpc.access = parts->access;
  grpc.health = parts->health;
  WEIR_TRY_ASSIGN(server, Server::start(catalog, std::move(grpc)));
  parts->server = std::move(server);
  gateway::GatewayOptions http;
  http.http = bounded(options.http);
  if (parts->access->has_tokens()) {
    http.http.before_body = [access = parts->access](const gateway::HttpRequest& head) {
      return refuse_unknown(*access, head);
    };
  }
  http.peer_metadata = peer_metadata;
  http.services = {"weir.v1.EventLog"};
  http.channel = parts->server->in_process_channel();
  http.poller = &parts->server->poller();
  parts->health->probe_streams(
      [channel = http.channel, poller = http.poller, own = parts->access->own_authorization(),
       patience = options.health.patience](Position head, Done<Delivered> done) {
        probe_stream(channel, *poller, own, head, patience, system_clock(), std::move(done));
      });
  http.title = "Weir";
  http.version = WEIR_VERSION;
  http.description = "An event store with Dynamic Consistency Boundaries.";
  http.descriptor_set = std::string(weir_server_comments);
  http.routes =
      parts->health->routes([access = parts->access](const gateway::HttpRequest& request) {
        return access->caller(request.header("Authorization"), request.peer).is_known();
      });
  for (auto& route : dcb_adapter_routes(std::move(log), parts->access, parts->server->admission(),
                                        parts->server->request_limits())) {
    http.routes.push_back(std::move(route));
  }
  if (!is_open(options.docs, options.http.address)) {
    http.guard_documents = [access = parts->access](gateway::Handler handler) {
      return for_tokens(access, std::move(handler));
    };
  }
  if (options.reporting) {
    http.http.tracer = telemetry.tracer;
    http.http.on_response = http_reports(*telemetry.meter);
    auto metrics = options.reporting->metrics_route();
    if (!is_open(options.metrics, options.http.address)) {
      metrics.handler = for_tokens(parts->access, std::move(metrics.handler));
    }
    http.routes.push_back(std::move(metrics));
  }
  WEIR_TRY_ASSIGN(made, gateway::Gateway::create(std::move(http)));
  parts->gateway = std::move(made);
  parts->observed = observe_gateway(*telemetry.meter, *parts->gateway);
  if (options.shield) {
    parts->observed.push_back(observe_circuits(*telemetry.meter, options.shield));
  }
  return std::unique_ptr<Service>(new Service(std::move(parts)));
}

Result<void> Service::replace_limits(const Limits& limits, const gateway::HttpOptions& http,
                                     const AdmissionOptions& admission) {
  WEIR_TRY(check(limits));
  WEIR_TRY(check(admission));
  WEIR_TRY(parts_->gateway->replace_limits(bounded(http)));
  parts_->server->replace_limits(limits);
  return parts_->server->admission()->replace(admission);
}

Result<void> Service::replace_tls(const security::TlsMaterial& material) {
  WEIR_TRY_ASSIGN(show, parts_->server->prepare_tls(material));
  WEIR_TRY(parts_->gateway->replace_tls(material));
  show();
  return {};
}

std::string Service::grpc_address() const {
  return parts_->server->grpc_address();
}
std::string Service::http_address() const {
  return parts_->gateway->address();
}

void Service::shut_down(std::chrono::milliseconds grace) {
  const auto until = system_clock().instant() + grace;
  parts_->health->stop();
  if (parts_->gateway) parts_->gateway->stop(grace);
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - system_clock().instant());
  parts_->server->shut_down(std::max(left, std::chrono::milliseconds(0)));
  parts_->observed.clear();
}

}  // namespace weir::server
