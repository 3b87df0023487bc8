#include <weir/server/server.hpp>

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <climits>
#include <thread>

#include <fmt/format.h>

#include <weir/base/assert.hpp>
#include <weir/rpc/start.hpp>
#include <weir/server/acceptor.hpp>
#include <weir/server/certificates.hpp>
#include <weir/server/event_log_service.hpp>
#include <weir/server/health_service.hpp>
#include <weir/server/reflection_service.hpp>
#include <weir/server/store_reports.hpp>
#include <weir/server/umadb_service.hpp>

namespace weir::server {
namespace {

/// Each takes its calls on one thread; half of the processors are left to those who answer.
std::size_t pollers() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency() / 2, 1, 8);
}

void limit(grpc::ServerBuilder& builder, const GrpcLimits& limits) {
  const auto milliseconds = [](std::chrono::milliseconds time) {
    return static_cast<int>(std::min<std::int64_t>(time.count(), INT_MAX));
  };
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits.metadata_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.streams_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds(limits.idle_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(limits.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(limits.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             milliseconds(limits.handshake_timeout));
  // Clients may keep idle connections alive with a ping every few seconds.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             milliseconds(limits.ping_interval_min));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 10);
}

}  // namespace

struct Server::Parts {
  Parts(std::shared_ptr<Catalog> catalog, const ServerOptions& options,
        std::shared_ptr<Admission> gate)
      : reports(options.telemetry),
        access(options.access ? options.access : std::make_shared<Access>(AccessOptions{})),
        admission(std::move(gate)),
        event_log(logs, readers, reports, *access, *admission, options.streams),
        others(make_umadb_services(logs, readers, reports, *access, *admission)),
        logs(std::move(catalog)) {
    observed = observe_logs(*options.telemetry.meter, logs);
    others.push_back(
        make_health_service({"weir.v1.EventLog", "umadb.v1.DCB"}, options.health, logs.draining()));
    for (auto& service : make_reflection_services(
             {"weir.v1.EventLog", "umadb.v1.DCB", "umadb.UmaDBService", "grpc.health.v1.Health"},
             logs.draining())) {
      others.push_back(std::move(service));
    }
  }

  const CallReports reports;
  const std::shared_ptr<Access> access;
  const std::shared_ptr<Admission> admission;
  /// Read from the store for subscribers that are behind.
  Executor readers{{.threads = 2, .queue_max = 65'536, .name = "weir-subscribe"}};
  EventLogService event_log;
  std::vector<std::unique_ptr<rpc::Service>> others;
  /// Goes before the services, to which what is queued here still turns when a log is found.
  Logs logs;
  std::string host;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Certificates> certificates;
  std::unique_ptr<grpc::Server> grpc;
  /// Go first, once the server is shut down: they wait for the calls.
  std::vector<std::unique_ptr<rpc::ServerPoller>> pollers;
  bool shut_down = false;
  /// Last: they look at the logs.
  std::vector<std::unique_ptr<telemetry::Observed>> observed;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() {
  shut_down(std::chrono::milliseconds(0));
}

Result<std::unique_ptr<Server>> Server::start(std::shared_ptr<Catalog> catalog,
                                              ServerOptions options) {
  WEIR_TRY_ASSIGN(acceptor,
                  Acceptor::listen({.address = options.grpc_address,
                                    .unacknowledged_max = options.limits.keepalive_timeout}));
  WEIR_TRY_ASSIGN(admission,
                  Admission::create(options.admission, *options.telemetry.meter, system_clock()));
  auto parts = std::make_unique<Parts>(std::move(catalog), options, std::move(admission));
  parts->host = options.grpc_address.substr(0, options.grpc_address.rfind(':'));
  parts->acceptor = std::move(acceptor);

  rpc::start_grpc();
  grpc::ServerBuilder builder;
  auto credentials = grpc::InsecureServerCredentials();
  if (options.tls) {
    WEIR_TRY_ASSIGN(certificates, Certificates::create(*options.tls));
    parts->certificates = std::move(certificates);
    credentials = parts->certificates->credentials();
  }
  using From = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  auto connections =
      builder.experimental().AddExternalConnectionAcceptor(From::FROM_FD, credentials);
  builder.SetMaxReceiveMessageSize(options.message_bytes_max);
  limit(builder, options.limits);
  builder.RegisterService(&parts->event_log.api());
  for (const auto& service : parts->others) builder.RegisterService(&service->api());
  for (std::size_t i = 0; i < pollers(); ++i) {
    parts->pollers.push_back(
        std::make_unique<rpc::ServerPoller>(builder.AddCompletionQueue(), "weir-rpc"));
  }
  parts->grpc = builder.BuildAndStart();
  if (!parts->grpc) return unavailable("grpc: the server can't be started");
  for (const auto& poller : parts->pollers) {
    parts->event_log.listen(*poller);
    for (const auto& service : parts->others) service->listen(*poller);
  }
  using Connections = grpc::experimental::ExternalConnectionAcceptor;
  parts->acceptor->start(
      [connections = std::shared_ptr<Connections>(std::move(connections))](int socket) {
        Connections::NewConnectionParameters connection;
        connection.fd = socket;
        connections->HandleNewConnection(&connection);
      });
  // So that metrics tell of it from the start. If it can't be opened, whoever asks for it is told.
  parts->logs.find("default", [](const Result<std::shared_ptr<EventStore>>&) {});
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

int Server::grpc_port() const {
  return parts_->acceptor->port();
}

std::string Server::grpc_address() const {
  return fmt::format("{}:{}", parts_->host, grpc_port());
}

void Server::replace_limits(const Limits& limits) {
  parts_->logs.request_limits()->replace(limits);
}

Result<UniqueFunction<void()>> Server::prepare_tls(const security::TlsMaterial& material) {
  WEIR_ASSERT(parts_->certificates != nullptr);
  return parts_->certificates->prepare(material);
}

std::shared_ptr<grpc::Channel> Server::in_process_channel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return parts_->grpc->InProcessChannel(arguments);
}

std::shared_ptr<const RequestLimits> Server::request_limits() const {
  return parts_->logs.request_limits();
}

rpc::Poller& Server::poller() {
  return parts_->pollers.front()->poller;
}

std::shared_ptr<Admission> Server::admission() const {
  return parts_->admission;
}

void Server::shut_down(std::chrono::milliseconds grace) {
  if (std::exchange(parts_->shut_down, true)) return;
  parts_->logs.drain();
  parts_->acceptor->stop();
  parts_->grpc->Shutdown(std::chrono::system_clock::now() + grace);
  parts_->grpc->Wait();
  parts_->pollers.clear();
}

}  // namespace weir::server
