#include <tests/support/otlp_receiver.hpp>

#include <grpcpp/grpcpp.h>
#include <opentelemetry/proto/collector/metrics/v1/metrics_service.grpc.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include <weir/gateway/http_server.hpp>
#include <weir/rpc/start.hpp>

namespace weir::testing_support {

namespace trace = opentelemetry::proto::collector::trace::v1;
namespace metrics_v1 = opentelemetry::proto::collector::metrics::v1;
using Mood = OtlpReceiver::Mood;

namespace {

struct State {
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  Mood mood = Mood::takes;
  int times = 0;
  int requests = 0;
  bool stopping = false;
  std::vector<OtlpReceiver::ReceivedSpan> spans;
  std::vector<OtlpReceiver::Metric> metrics;
  std::map<std::string, std::string> headers;

  Mood next_mood() {
    const std::lock_guard lock(mutex);
    ++requests;
    if (times == 0) return Mood::takes;
    --times;
    return mood;
  }

  void take(const trace::ExportTraceServiceRequest& request) {
    const std::lock_guard lock(mutex);
    for (const auto& resource : request.resource_spans()) {
      std::string service;
      for (const auto& of : resource.resource().attributes()) {
        if (of.key() == "service.name") service = of.value().string_value();
      }
      for (const auto& scope : resource.scope_spans()) {
        for (const auto& span : scope.spans()) {
          spans.push_back({span, service, scope.scope().name()});
        }
      }
    }
    changed.notify_all();
  }
  void take(const metrics_v1::ExportMetricsServiceRequest& request) {
    const std::lock_guard lock(mutex);
    metrics.clear();
    for (const auto& resource : request.resource_metrics()) {
      for (const auto& scope : resource.scope_metrics()) {
        metrics.insert(metrics.end(), scope.metrics().begin(), scope.metrics().end());
      }
    }
    changed.notify_all();
  }
};

void reject_one(trace::ExportTraceServiceResponse& response) {
  response.mutable_partial_success()->set_rejected_spans(1);
}
void reject_one(metrics_v1::ExportMetricsServiceResponse& response) {
  response.mutable_partial_success()->set_rejected_data_points(1);
}

template <class Base, class Request, class Response>
class Service final : public Base {
 public:
  explicit Service(State& state) : state_(state) {}
  grpc::Status Export(grpc::ServerContext* context, const Request* request,
                      Response* response) override {
    {
      const std::lock_guard lock(state_.mutex);
      state_.headers.clear();
      for (const auto& [name, value] : context->client_metadata()) {
        state_.headers[{name.data(), name.size()}] = {value.data(), value.size()};
      }
    }
    switch (state_.next_mood()) {
      case Mood::refuses:
        return {grpc::StatusCode::INVALID_ARGUMENT, "no"};
      case Mood::comes_back:
        return {grpc::StatusCode::UNAVAILABLE, "not now"};
      case Mood::never_answers: {
        std::unique_lock lock(state_.mutex);
        state_.changed.wait(lock, [&] { return state_.stopping; });
        return {grpc::StatusCode::CANCELLED, "stopped"};
      }
      case Mood::takes_partly:
        reject_one(*response);
        [[fallthrough]];
      case Mood::takes:
        state_.take(*request);
    }
    return grpc::Status::OK;
  }

 private:
  State& state_;
};

template <class Request, class Response>
void answer_http(State& state, const gateway::HttpRequest& request, gateway::Exchange& exchange,
                 Mood mood) {
  Request message;
  const bool good =
      request.content_type() == "application/x-protobuf" && message.ParseFromString(request.body);
  if (!good || mood == Mood::refuses) return exchange.respond({.status = 400});
  if (mood == Mood::comes_back) {
    return exchange.respond({.status = 503, .headers = {{"Retry-After", "0"}}});
  }
  Response response;
  if (mood == Mood::takes_partly) reject_one(response);
  state.take(message);
  exchange.respond({.headers = {{"Content-Type", "application/x-protobuf"}},
                    .body = response.SerializeAsString()});
}

}  // namespace

struct OtlpReceiver::Parts {
  State state;
  Service<trace::TraceService::Service, trace::ExportTraceServiceRequest,
          trace::ExportTraceServiceResponse>
      traces{state};
  Service<metrics_v1::MetricsService::Service, metrics_v1::ExportMetricsServiceRequest,
          metrics_v1::ExportMetricsServiceResponse>
      metrics{state};
  std::unique_ptr<grpc::Server> grpc;
  int grpc_port = 0;
  std::vector<std::shared_ptr<gateway::Exchange>> unanswered;
  std::unique_ptr<gateway::HttpServer> http;

  void handle(const gateway::HttpRequest& request, std::shared_ptr<gateway::Exchange> exchange) {
    {
      const std::lock_guard lock(state.mutex);
      state.headers.clear();
      for (const auto& header : request.headers) state.headers[header.name] = header.value;
    }
    const auto mood = state.next_mood();
    if (mood == Mood::never_answers) {
      const std::lock_guard lock(state.mutex);
      unanswered.push_back(std::move(exchange));
    } else if (request.path == "/v1/traces") {
      answer_http<trace::ExportTraceServiceRequest, trace::ExportTraceServiceResponse>(
          state, request, *exchange, mood);
    } else if (request.path == "/v1/metrics") {
      answer_http<metrics_v1::ExportMetricsServiceRequest,
                  metrics_v1::ExportMetricsServiceResponse>(state, request, *exchange, mood);
    } else {
      exchange->respond({.status = 404});
    }
  }
};

OtlpReceiver::OtlpReceiver() : parts_(std::make_unique<Parts>()) {
  rpc::start_grpc();
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &parts_->grpc_port);
  builder.RegisterService(&parts_->traces);
  builder.RegisterService(&parts_->metrics);
  parts_->grpc = builder.BuildAndStart();
  gateway::HttpOptions options{.address = "127.0.0.1:0"};
  parts_->http =
      gateway::HttpServer::create(options, [parts = parts_.get()](
                                               const gateway::HttpRequest& request,
                                               std::shared_ptr<gateway::Exchange> exchange) {
        parts->handle(request, std::move(exchange));
      }).value();
}

OtlpReceiver::~OtlpReceiver() {
  stop();
}

void OtlpReceiver::stop() {
  {
    const std::lock_guard lock(parts_->state.mutex);
    parts_->state.stopping = true;
    parts_->unanswered.clear();
    parts_->state.changed.notify_all();
  }
  parts_->http->stop(std::chrono::milliseconds(0));
  parts_->grpc->Shutdown(std::chrono::system_clock::now());
  parts_->grpc->Wait();
}

std::string OtlpReceiver::grpc_endpoint() const {
  return fmt::format("http://127.0.0.1:{}", parts_->grpc_port);
}

std::string OtlpReceiver::http_endpoint() const {
  return fmt::format("http://127.0.0.1:{}", parts_->http->port());
}

void OtlpReceiver::be(Mood mood, int times) {
  const std::lock_guard lock(parts_->state.mutex);
  parts_->state.mood = mood;
  parts_->state.times = times;
}

std::vector<OtlpReceiver::ReceivedSpan> OtlpReceiver::spans() const {
  const std::lock_guard lock(parts_->state.mutex);
  return parts_->state.spans;
}

std::vector<OtlpReceiver::Metric> OtlpReceiver::metrics() const {
  const std::lock_guard lock(parts_->state.mutex);
  return parts_->state.metrics;
}

int OtlpReceiver::requests() const {
  const std::lock_guard lock(parts_->state.mutex);
  return parts_->state.requests;
}

std::string OtlpReceiver::last_header(const std::string& name) const {
  const std::lock_guard lock(parts_->state.mutex);
  const auto found = parts_->state.headers.find(name);
  return found == parts_->state.headers.end() ? std::string() : found->second;
}

bool OtlpReceiver::wait_for(const std::string& span_name, std::size_t count) const {
  const auto& state = parts_->state;
  std::unique_lock lock(state.mutex);
  return state.changed.wait_for(lock, std::chrono::seconds(30), [&] {
    std::size_t there = 0;
    for (const auto& received : state.spans) there += received.span.name() == span_name ? 1 : 0;
    return there >= count;
  });
}

std::optional<std::string> attribute(const OtlpReceiver::Span& span, const std::string& key) {
  for (const auto& of : span.attributes()) {
    if (of.key() != key) continue;
    const auto& value = of.value();
    if (value.has_string_value()) return value.string_value();
    if (value.has_int_value()) return std::to_string(value.int_value());
    if (value.has_bool_value()) return value.bool_value() ? "true" : "false";
    return std::to_string(value.double_value());
  }
  return std::nullopt;
}

}  // namespace weir::testing_support
