#include <weir/store/remote/client.hpp>

#include <grpcpp/grpcpp.h>
#include <weir/v1/log.grpc.pb.h>

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include <weir/base/batching.hpp>
#include <weir/rpc/start.hpp>
#include <weir/security/tls_files.hpp>
#include <weir/store/remote/context.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/remote/reaction.hpp>
#include <weir/store/remote/session_client.hpp>
#include <weir/store/remote/streams.hpp>

namespace weir::remote {
namespace {

/// What the client and its logs share.
struct Connection {
  explicit Connection(Wire to)
      : wire(std::move(to)), stub(v1::EventLog::NewStub(wire.channel)), session(wire, {}) {}

  const Wire wire;
  std::unique_ptr<v1::EventLog::Stub> stub;
  SessionClient session;
};

void prepare(grpc::ClientContext& context, const Wire& wire, const CallOptions& call) {
  add_context(call, context);
  wire.authorize(context);
  if (call.deadline) {
    context.set_deadline(std::chrono::system_clock::now() + time_left(*call.deadline));
  }
}

/// What gRPC would notice too, but perhaps after the answer.
bool is_late(const CallOptions& call) {
  return call.deadline && time_left(*call.deadline).count() == 0;
}

/// A blocking unary call that its stop token can end.
template <class Call>
Result<void> unary(const Wire& wire, const CallOptions& options, Call call) {
  if (options.stop.stop_requested()) return cancelled();
  if (is_late(options)) return deadline_passed();
  grpc::ClientContext context;
  prepare(context, wire, options);
  const std::stop_callback on_stop(options.stop, [&context] { context.TryCancel(); });
  const grpc::Status status = call(context);
  if (!status.ok()) return from_status(status);
  return {};
}

/// Waits for an asynchronous operation.
template <class T, class Start>
Result<T> wait_for(Start start) {
  WEIR_TRY(may_wait());
  std::promise<Result<T>> promise;
  auto future = promise.get_future();
  start([&promise](Result<T> result) { promise.set_value(std::move(result)); });
  Batching::flush();
  return future.get();
}

Result<ReadStep> to_read_step(Result<v1::SessionResponse*> response) {
  if (!response) return response.error();
  return read_step_from_wire(std::move(*(*response)->mutable_read()));
}

/// Checks requests before they are sent: what can't be a message at all (text that is not UTF-8, a
/// huge payload) would take the session down, and with it what others have asked. The server's own
/// limits, which may be lower, are for it to check.
class RemoteLog final : public EventStore {
 public:
  RemoteLog(std::shared_ptr<Connection> connection, LogInfo info)
      : connection_(std::move(connection)), info_(std::move(info)) {}
  ~RemoteLog() override { let_go(std::move(connection_)); }

  const LogInfo& info() const override { return info_; }

  void append(AppendRequest request, Done<Appended> done) override {
    const auto& limits = request.limits != nullptr ? *request.limits : highest_limits();
    if (auto checked = check(request, limits, Payloads::unread); !checked) {
      return done(checked.error());
    }
    v1::SessionRequest message;
    to_proto(request, info_.name, *message.mutable_append());
    connection_->session.call(
        std::move(message), request.call,
        [done = std::move(done)](Result<v1::SessionResponse*> response) mutable {
          if (!response) return done(response.error());
          done(from_proto((*response)->append()));
        });
  }
  Result<Appended> append(AppendRequest request) override {
    return wait_for<Appended>(
        [&](Done<Appended> done) { append(std::move(request), std::move(done)); });
  }

  void read_step(ReadRequest request, Done<ReadStep> done) override {
    if (auto checked = check(request, highest_limits()); !checked) return done(checked.error());
    v1::SessionRequest message;
    to_proto(request, info_.name, *message.mutable_read()->mutable_read());
    connection_->session.call(
        std::move(message), request.call,
        [done = std::move(done)](Result<v1::SessionResponse*> response) mutable {
          done(to_read_step(std::move(response)));
        });
  }
  Result<ReadStep> read_step(ReadRequest request) override {
    return wait_for<ReadStep>(
        [&](Done<ReadStep> done) { read_step(std::move(request), std::move(done)); });
  }

  void head(CallOptions call, Done<Position> done) override {
    v1::SessionRequest message;
    message.mutable_head()->set_log(info_.name);
    connection_->session.call(
        std::move(message), call,
        [done = std::move(done)](Result<v1::SessionResponse*> response) mutable {
          if (!response) return done(response.error());
          done(Position((*response)->head().position()));
        });
  }
  Result<Position> head(CallOptions call) override {
    return wait_for<Position>([&](Done<Position> done) { head(call, std::move(done)); });
  }

  std::unique_ptr<StepSource> open_read(ReadRequest request) override {
    // A small bounded read is one step of the session, which saves opening a stream.
    const bool small = request.limit && *request.limit <= 100;
    if (small || is_late(request.call) || !check(request, highest_limits())) {
      return EventReader::open_read(std::move(request));
    }
    return open_read_stream(connection_->wire, info_.name, std::move(request));
  }

  Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) override {
    WEIR_TRY(check(ReadRequest{.query = request.query,
                               .batch_events_max = request.batch_events_max,
                               .batch_bytes_max = request.batch_bytes_max},
                   highest_limits()));
    if (is_late(request.call)) return deadline_passed();
    return open_subscription_stream(connection_->wire, info_.name, std::move(request));
  }

  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key, CallOptions call) override {
    v1::LoadSnapshotRequest request;
    request.set_log(info_.name);
    request.set_projection(key.projection);
    request.set_query_hash(key.query_hash);
    v1::Snapshot response;
    const auto loaded = unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->LoadSnapshot(&context, request, &response);
    });
    if (!loaded && loaded.error().reason == Reason::snapshot_not_found) {
      return std::optional<Snapshot>();
    }
    WEIR_TRY(loaded);
    WEIR_TRY_ASSIGN(saved_at, from_proto(response.saved_at(), "saved_at"));
    return std::optional(Snapshot{.key = key,
                                  .position = Position(response.position()),
                                  .data = std::move(*response.mutable_data()),
                                  .saved_at = saved_at});
  }

  Result<bool> save_snapshot(const Snapshot& snapshot, CallOptions call) override {
    v1::SaveSnapshotRequest request;
    request.set_log(info_.name);
    request.set_projection(snapshot.key.projection);
    request.set_query_hash(snapshot.key.query_hash);
    request.set_position(snapshot.position.value);
    request.set_data(snapshot.data);
    v1::SaveSnapshotResponse response;
    WEIR_TRY(unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->SaveSnapshot(&context, request, &response);
    }));
    return response.saved();
  }

  Result<void> delete_snapshot(const SnapshotKey& key, CallOptions call) override {
    v1::DeleteSnapshotRequest request;
    request.set_log(info_.name);
    request.set_projection(key.projection);
    request.set_query_hash(key.query_hash);
    v1::DeleteSnapshotResponse response;
    return unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->DeleteSnapshot(&context, request, &response);
    });
  }

  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               CallOptions call) override {
    v1::GetTrackingRequest request;
    request.set_log(info_.name);
    request.set_source(source);
    v1::GetTrackingResponse response;
    WEIR_TRY(unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->GetTracking(&context, request, &response);
    }));
    if (!response.has_position()) return std::optional<std::uint64_t>();
    return std::optional(response.position());
  }

 private:
  std::shared_ptr<Connection> connection_;
  LogInfo info_;
};

class Client final : public Catalog {
 public:
  explicit Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Client() override { let_go(std::move(connection_)); }

  Result<std::vector<LogInfo>> list(CallOptions call) override {
    v1::ListLogsResponse response;
    WEIR_TRY(unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->ListLogs(&context, {}, &response);
    }));
    std::vector<LogInfo> logs;
    for (const auto& log : response.logs()) logs.push_back(from_proto(log));
    return logs;
  }

  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override {
    v1::CreateLogRequest request;
    request.set_name(name);
    for (const auto& key : options.indexed_keys) request.add_indexed_keys(key);
    v1::Log response;
    WEIR_TRY(unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->CreateLog(&context, request, &response);
    }));
    return from_proto(response);
  }

  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override {
    v1::GetLogRequest request;
    request.set_log(name);
    v1::Log response;
    WEIR_TRY(unary(connection_->wire, call, [&](grpc::ClientContext& context) {
      return connection_->stub->GetLog(&context, request, &response);
    }));
    return std::shared_ptr<EventStore>(
        std::make_shared<RemoteLog>(connection_, from_proto(response)));
  }

 private:
  std::shared_ptr<Connection> connection_;
};

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials_of(const Credentials& credentials) {
  if (!credentials.tls) {
    const bool files = !credentials.ca_file.empty() || !credentials.certificate_file.empty() ||
                       !credentials.key_file.empty();
    if (files) return invalid_field("tls", "certificates are of use with TLS only");
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions options;
  auto authorities = credentials.ca_file;
  if (authorities.empty()) authorities = security::system_authorities();
  if (!authorities.empty()) {
    WEIR_TRY_ASSIGN(pem, security::read_pem(authorities));
    if (pem.find("CERTIFICATE-----") == std::string::npos) {
      return invalid_field(authorities, "it holds no certificate in PEM");
    }
    options.pem_root_certs = std::move(pem);
  }
  if (credentials.certificate_file.empty() != credentials.key_file.empty()) {
    return invalid_field("tls", "a client's certificate and its key go together");
  }
  if (!credentials.certificate_file.empty()) {
    WEIR_TRY_ASSIGN(own, security::load_tls({.certificate = credentials.certificate_file,
                                             .key = credentials.key_file},
                                            system_clock().now()));
    options.pem_cert_chain = std::move(own.certificate);
    options.pem_private_key = std::move(own.key);
  }
  return grpc::SslCredentials(options);
}

/// gRPC takes nothing else as metadata, and aborts the program over it.
Result<std::string> authorization_of(const std::string& token) {
  if (token.empty()) return std::string();
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!printable) return invalid_field("token", "it is not printable ASCII without spaces");
  return "Bearer " + token;
}

bool wait_until_connected(grpc::Channel& channel, const ClientOptions& options) {
  const auto until = std::chrono::system_clock::now() + options.connect_timeout;
  while (true) {
    const auto state = channel.GetState(true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE && !options.wait_until_up) return false;
    if (!channel.WaitForStateChange(state, until)) return false;
  }
}

/// Why the last attempt to connect failed, as gRPC has it: it answers a call with that. Empty when
/// it says nothing.
std::string last_error(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  v1::Log ignored;
  const auto status = v1::EventLog::NewStub(channel)->GetLog(&context, {}, &ignored);
  constexpr std::string_view mark = "last error: ";
  const auto at = status.error_message().find(mark);
  return at == std::string::npos ? "" : status.error_message().substr(at + mark.size());
}

Error nobody_answers(const std::string& target, bool tls, const std::string& why) {
  const auto because = why.empty() ? "" : fmt::format(" ({})", why);
  if (tls) {
    return unavailable(
        fmt::format("no server that speaks TLS with a certificate to be trusted answers at {}{}",
                    target, because));
  }
  // There was a connection, which the other end had no use for.
  if (!why.empty() && why.find("Failed to connect") == std::string::npos) {
    return unavailable(fmt::format(
        "what answers at {} does not speak gRPC in plain text{}; does it speak TLS? See --tls",
        target, because));
  }
  return unavailable(
      fmt::format("no server answers at {}{}; start one with 'weir serve', or work on a store "
                  "directly with --store",
                  target, because));
}

}  // namespace

Result<std::shared_ptr<Catalog>> connect(const ClientOptions& options) {
  rpc::start_grpc();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // A server that restarts is back within a second; gRPC would wait for up to two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  WEIR_TRY_ASSIGN(credentials, credentials_of(options.credentials));
  WEIR_TRY_ASSIGN(authorization, authorization_of(options.credentials.token));
  auto channel = grpc::CreateCustomChannel(options.target, credentials, arguments);
  if (!wait_until_connected(*channel, options)) {
    return nobody_answers(options.target, options.credentials.tls, last_error(channel));
  }
  return std::shared_ptr<Catalog>(std::make_shared<Client>(std::make_shared<Connection>(
      Wire{.channel = std::move(channel), .authorization = std::move(authorization)})));
}

}  // namespace weir::remote
