#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include <weir/rpc/poller.hpp>
#include <weir/base/result.hpp>
#include <weir/gateway/http_server.hpp>

namespace weir::gateway {

/// A route beside those of the services: "/health/live", "/metrics".
struct Route {
  std::string method;
  /// Exact, without a query.
  std::string path;
  Handler handler;
};

struct GatewayOptions {
  HttpOptions http;
  /// Full names ("weir.v1.EventLog") of services whose generated code is linked into the program.
  std::vector<std::string> services;
  /// Where they are called: the server's InProcessChannel(), or any other. gRPC's own limit on what
  /// it receives is 4 MiB; SetMaxReceiveMessageSize(-1) on its arguments if answers are larger.
  std::shared_ptr<grpc::Channel> channel;
  /// What tells of the answers; must outlive the gateway. Default: the process's for clients.
  rpc::Poller* poller = nullptr;
  /// For /openapi.json and /docs.
  std::string title = "API";
  std::string version = "1";
  std::string description;
  /// A serialized google.protobuf.FileDescriptorSet with source info, for the descriptions in
  /// /openapi.json (weir_proto_comments() in CMake embeds one). Default: no descriptions.
  std::string descriptor_set;
  /// For unary calls whose client names no deadline. Default 30 s.
  std::chrono::milliseconds unary_timeout{30'000};
  /// Request headers that are passed on as metadata, in lower case; those that carry a trace,
  /// baggage, correlation and causation ids always are.
  std::vector<std::string> passed_headers = {"authorization"};
  /// Metadata under which HttpRequest::peer is passed on, in lower case. Default: it is not.
  std::string peer_metadata = {};
  std::vector<Route> routes;
  /// Put around the handlers of /docs and /openapi.json. Default: everybody may see them.
  std::function<Handler(Handler)> guard_documents = nullptr;
};

/// Puts gRPC services on HTTP from their descriptors alone: REST by google.api.http with SSE and
/// NDJSON, gRPC-Web, /openapi.json and /docs. It knows nothing of what the services do.
/// Threads: any; nothing waits for a service. The channel's server must outlive it.
/// Errors: invalid_argument naming the option, the service or the method; unavailable when the
/// address can't be had.
class Gateway {
 public:
  /// Listens when it returns.
  static Result<std::unique_ptr<Gateway>> create(GatewayOptions options);

  /// "127.0.0.1:40123", with the real port.
  const std::string& address() const { return server_->address(); }
  std::uint16_t port() const { return server_->port(); }
  HttpServer::Stats stats() const { return server_->stats(); }

  Result<void> replace_tls(const security::TlsMaterial& material) {
    return server_->replace_tls(material);
  }

  Result<void> replace_limits(const HttpOptions& limits) { return server_->replace_limits(limits); }

  /// As HttpServer::stop(); endless streams are told that the server shuts down. Call it before the
  /// gRPC server's shutdown.
  void stop(std::chrono::milliseconds grace) { server_->stop(grace); }

 private:
  explicit Gateway(std::unique_ptr<HttpServer> server) : server_(std::move(server)) {}
  std::unique_ptr<HttpServer> server_;
};

}  // namespace weir::gateway
