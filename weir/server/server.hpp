#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <weir/base/result.hpp>
#include <weir/base/unique_function.hpp>
#include <weir/security/tls_files.hpp>
#include <weir/server/access.hpp>
#include <weir/server/health.hpp>
#include <weir/server/request_limits.hpp>
#include <weir/server/streams.hpp>
#include <weir/store/event_store.hpp>

namespace grpc {
class Channel;
}

namespace weir::server {

/// What a client of gRPC may take up. Enforced by gRPC itself.
struct GrpcLimits {
  /// Bytes of a call's metadata. With more gRPC's clients answer RESOURCE_EXHAUSTED themselves, and
  /// others are answered with an error, over which gRPC may also close the connection. Range 1 KiB
  /// to 1 MiB. Default 16 KiB.
  int metadata_bytes_max = 16 << 10;
  /// Calls at a time on one connection; a client holds back what is past it. A program of ours has
  /// one connection, and each of its subscriptions is a call. Range 1 to 1,000,000.
  /// Default 100,000.
  int streams_max = 100'000;
  /// A connection without calls is closed after so long; clients come back by themselves. Range 1 s
  /// to 30 days. Default 30 min.
  std::chrono::milliseconds idle_timeout{1'800'000};
  /// A silent connection is asked for a sign of life this often, and closed without one in time.
  /// Range 1 s to 30 days, and 100 ms to 10 min. Default 2 min and 20 s.
  std::chrono::milliseconds keepalive{120'000};
  std::chrono::milliseconds keepalive_timeout{20'000};
  /// A connection that has not said what it must to begin with by then is closed. Range 100 ms to
  /// 10 min. Default 20 s.
  std::chrono::milliseconds handshake_timeout{20'000};
  /// Clients that ping more often than this, ten times over, are cut off. Range 0 to 1 h.
  /// Default 1 s.
  std::chrono::milliseconds ping_interval_min{1'000};
};

struct ServerOptions {
  /// HOST:PORT for gRPC; port 0 for any free one. Default 127.0.0.1:50051.
  std::string grpc_address = "127.0.0.1:50051";
  /// Bytes of a request message. Default 20 MiB, which a snapshot needs.
  int message_bytes_max = 20 << 20;
  GrpcLimits limits = {};
  StreamOptions streams = {};
  /// Serve with TLS 1.2 or later. Default: in plain text.
  std::optional<security::TlsMaterial> tls = std::nullopt;
  /// Who may do what. Default: everybody everything.
  std::shared_ptr<Access> access = nullptr;
  /// How many calls are taken in. Default: bounds that no honest client meets.
  AdmissionOptions admission = {};
  /// Of the calls. Must outlive the server. Default: nobody listens.
  telemetry::Telemetry telemetry = {};
  /// What grpc.health.v1 goes by. Default: serving until the server shuts down.
  std::shared_ptr<Health> health = nullptr;
};

/// The gRPC server: weir.v1.EventLog, umadb.v1.DCB, health and reflection over the logs of a
/// catalog. Threads: any.
class Server {
 public:
  /// Errors: unavailable (the address can't be listened on), invalid_argument (it is none).
  static Result<std::unique_ptr<Server>> start(std::shared_ptr<Catalog> catalog,
                                               ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The port it listens on.
  int grpc_port() const;
  /// Where it listens, as a client would name it.
  std::string grpc_address() const;

  /// Makes all ready that can fail, and changes nothing: handshakes show this certificate within
  /// two seconds from when what is returned is called. Only for a server that was started with one.
  /// Errors: unavailable.
  Result<UniqueFunction<void()>> prepare_tls(const security::TlsMaterial& material);

  /// Requests of weir.v1 that begin from now on are held to these instead of those that the logs
  /// were opened with.
  void replace_limits(const Limits& limits);
  /// For requests that come another way.
  std::shared_ptr<const RequestLimits> request_limits() const;

  /// A channel to this server without a socket, for the gateway.
  std::shared_ptr<grpc::Channel> in_process_channel();
  /// What clients in this process are best told by: no other thread then waits for gRPC.
  rpc::Poller& poller();

  /// What takes calls in, for those that come another way.
  std::shared_ptr<Admission> admission() const;

  /// Stops accepting, lets what was accepted finish, ends streams; after `grace` whatever is left
  /// is cancelled. Once.
  void shut_down(std::chrono::milliseconds grace);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::server
