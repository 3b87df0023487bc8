#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/server/health.hpp>
#include <weir/server/streams.hpp>
#include <weir/store/event_store.hpp>

namespace grpc {
class Channel;
}

namespace weir::server {

struct ServerOptions {
  /// HOST:PORT for gRPC; port 0 for any free one. Default 127.0.0.1:50051.
  std::string grpc_address = "127.0.0.1:50051";
  /// Bytes of a request message. Default 20 MiB, which a snapshot needs.
  int message_bytes_max = 20 << 20;
  StreamOptions streams = {};
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

  /// A channel to this server without a socket, for the gateway.
  std::shared_ptr<grpc::Channel> in_process_channel();

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
