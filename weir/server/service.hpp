#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/gateway/http_server.hpp>
#include <weir/server/health.hpp>
#include <weir/server/reporting.hpp>
#include <weir/server/server.hpp>
#include <weir/store/event_store.hpp>
#include <weir/store/resilient/shield.hpp>

namespace weir::server {

struct ServiceOptions {
  /// Addresses and limits; telemetry and what is told of responses come from `reporting`.
  ServerOptions grpc = {};
  gateway::HttpOptions http = {};
  /// Who may see /metrics, /docs and /openapi.json, once there are tokens; /health is open. Any
  /// token will do. Default: metrics to everybody while HTTP is on loopback addresses only, and the
  /// description of the API, which is no secret, to everybody.
  enum class OpenTo : std::uint8_t { loopback, everybody, tokens };
  OpenTo metrics = OpenTo::loopback;
  OpenTo docs = OpenTo::everybody;
  /// Without tokens, listen on addresses that others can reach. Default: it is refused.
  bool listen_unprotected = false;
  /// What is measured and traced, and /metrics. Default: nothing.
  std::shared_ptr<Reporting> reporting = nullptr;
  /// What stands between the catalog and its database, to be reported of. Default: nothing does.
  std::shared_ptr<resilient::Shield> shield = nullptr;
  HealthOptions health = {};
};

/// Errors: invalid_argument: what is no address, and, without tokens or listen_unprotected, what
/// others can reach; unavailable: a host that nobody knows.
Result<void> check_exposure(const ServiceOptions& options, bool has_tokens);

/// Whether the options may be served with; the same as Service::start() asks for, for who wants to
/// know before a store is opened.
/// Errors: invalid_argument: addresses that others can reach, and no tokens; health's options.
Result<void> check(const ServiceOptions& options);

/// Everything that `weir serve` serves over the logs of a catalog: gRPC, and HTTP by the gateway
/// with health and the DCB benchmark's routes beside it.
/// Threads: any.
class Service {
 public:
  /// Listens on both addresses when it returns.
  /// Errors: those of Server and Gateway; invalid_argument when others could reach an address
  /// and nothing protects it.
  static Result<std::unique_ptr<Service>> start(std::shared_ptr<Catalog> catalog,
                                                const ServiceOptions& options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Both listeners show this certificate from now on, gRPC's within two seconds. Only for a
  /// service that was started with TLS. Errors: invalid_argument, unavailable (no file descriptor
  /// is left); then nothing has changed.
  Result<void> replace_tls(const security::TlsMaterial& material);

  /// Requests and HTTP connections that begin from now on are held to these: see
  /// Server::replace_limits() and HttpServer::replace_limits().
  /// Errors: invalid_argument; then nothing has changed.
  Result<void> replace_limits(const Limits& limits, const gateway::HttpOptions& http,
                              const AdmissionOptions& admission);

  std::string grpc_address() const;
  std::string http_address() const;

  /// Stops accepting, finishes what was accepted, ends streams with a status; what is left after
  /// `grace` is cancelled. Once.
  void shut_down(std::chrono::milliseconds grace);

 private:
  struct Parts;
  explicit Service(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::server
