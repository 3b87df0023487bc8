#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>

#include <weir/rpc/client_call.hpp>
#include <weir/rpc/start.hpp>
#include <weir/telemetry/otlp/transport.hpp>

namespace weir::telemetry::otlp {
namespace {

/// "HOST:PORT" of "http://HOST:PORT/".
std::string authority_of(std::string_view endpoint) {
  endpoint.remove_prefix(endpoint.find("://") + 3);
  return std::string(endpoint.substr(0, endpoint.find('/')));
}

std::optional<std::chrono::milliseconds> retry_info_of(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const auto& detail : details.details()) {
    google::rpc::RetryInfo info;
    if (!detail.UnpackTo(&info)) continue;
    return std::chrono::seconds(info.retry_delay().seconds()) +
           std::chrono::milliseconds(info.retry_delay().nanos() / 1'000'000);
  }
  return std::nullopt;
}

bool is_retryable(const grpc::Status& status, bool has_retry_info) {
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS:
      return true;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return has_retry_info;
    default:
      return false;
  }
}

std::string text_of(const grpc::ByteBuffer& buffer) {
  std::string out;
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return out;
  for (const auto& slice : slices) {
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return out;
}

/// Shared with gRPC, which may answer after nobody waits any longer.
struct Call {
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<grpc::Status> status;
};

class GrpcTransport final : public Transport {
 public:
  GrpcTransport(std::shared_ptr<grpc::Channel> channel, const OtlpSettings& settings,
                const Clock& clock)
      : channel_(std::move(channel)), headers_(settings.headers), clock_(clock) {}

  Attempt send(Signal signal, const std::string& body, Instant deadline,
               std::stop_token stop) override {
    const auto call = std::make_shared<Call>();
    for (const auto& [name, value] : headers_) call->context.AddMetadata(name, value);
    const std::chrono::system_clock::time_point ends =
        clock_.now() +
        std::chrono::duration_cast<std::chrono::microseconds>(deadline - clock_.instant());
    call->context.set_deadline(ends);
    const grpc::Slice slice(body);
    const grpc::ByteBuffer request(&slice, 1);
    const std::string method =
        signal == Signal::traces
            ? "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            : "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    rpc::start_unary(channel_, method, call->context, request, call->response, rpc::client_poller(),
                     [call](const grpc::Status& status) {
                       const std::lock_guard lock(call->mutex);
                       call->status = status;
                       call->changed.notify_all();
                     });
    const std::stop_callback cancel(stop, [&] { call->context.TryCancel(); });
    std::unique_lock lock(call->mutex);
    // Its deadline ends it, so this does.
    call->changed.wait(lock, [&] { return call->status.has_value(); });
    return attempt_of(*call);
  }

 private:
  static Attempt attempt_of(const Call& call) {
    const auto& status = *call.status;
    Attempt attempt;
    if (status.ok()) {
      attempt.body = text_of(call.response);
      return attempt;
    }
    const auto retry_after = retry_info_of(status);
    attempt.error = Error{.code = static_cast<Code>(status.error_code()),
                          .message = status.error_message(),
                          .retry_after = retry_after};
    attempt.retryable = is_retryable(status, retry_after.has_value());
    return attempt;
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::vector<std::pair<std::string, std::string>> headers_;
  const Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<Transport>> make_grpc_transport(const OtlpSettings& settings,
                                                       const Clock& clock) {
  rpc::start_grpc();
  const bool secure = settings.endpoint.starts_with("https://");
  if (!secure && !settings.endpoint.starts_with("http://")) {
    return invalid_field("endpoint", "it is not http://HOST:PORT or https://HOST:PORT");
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(response_bytes_max));
  // Retries are this exporter's own.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  const auto credentials = secure ? grpc::SslCredentials(grpc::SslCredentialsOptions())
                                  : grpc::InsecureChannelCredentials();
  return std::unique_ptr<Transport>(std::make_unique<GrpcTransport>(
      grpc::CreateCustomChannel(authority_of(settings.endpoint), credentials, arguments), settings,
      clock));
}

}  // namespace weir::telemetry::otlp
