#include <weir/server/call_report.hpp>

#include <spdlog/spdlog.h>
#include <weir/v1/log.pb.h>

#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::server {
namespace {

namespace metric = telemetry::metric;
using telemetry::StatusCode;

class CallHeaders final : public telemetry::TextMapCarrier {
 public:
  explicit CallHeaders(const grpc::ServerContext& context) : headers_(context.client_metadata()) {}
  std::string_view get(std::string_view name) const override {
    const auto found = headers_.find(grpc::string_ref(name.data(), name.size()));
    if (found == headers_.end()) return {};
    return {found->second.data(), found->second.size()};
  }
  void set(std::string_view, std::string_view) override {}

 private:
  const std::multimap<grpc::string_ref, grpc::string_ref>& headers_;
};

class RequestHeaders final : public telemetry::TextMapCarrier {
 public:
  explicit RequestHeaders(const v1::RequestContext& context) : context_(context) {}
  std::string_view get(std::string_view name) const override {
    if (name == telemetry::traceparent_header) return context_.traceparent();
    if (name == telemetry::tracestate_header) return context_.tracestate();
    if (name == telemetry::baggage_header) return context_.baggage();
    if (name == telemetry::correlation_header) return context_.correlation_id();
    if (name == telemetry::causation_header) return context_.causation_id();
    return {};
  }
  void set(std::string_view, std::string_view) override {}

 private:
  const v1::RequestContext& context_;
};

std::string_view name_of_status(grpc::StatusCode code) {
  return code == grpc::StatusCode::OK ? "OK" : name_of(static_cast<Code>(code));
}

/// What the conventions count as the server's fault rather than its caller's.
bool is_servers_error(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS:
      return true;
    default:
      return false;
  }
}

/// What must not happen; the rest is between the caller and its limits.
bool is_bug(grpc::StatusCode code) {
  return code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::UNKNOWN ||
         code == grpc::StatusCode::DATA_LOSS;
}

std::string_view span_name(std::string_view operation) {
  if (operation == "append") return "session append";
  if (operation == "read") return "session read";
  return "session head";
}

}  // namespace

CallReports::CallReports(telemetry::Telemetry telemetry)
    : tracer_(telemetry.tracer),
      reporting_(telemetry.meter != &telemetry::no_meter() ||
                 telemetry.tracer != &telemetry::no_tracer()),
      duration_(telemetry.meter->histogram(metric::rpc_server_call_duration)),
      session_duration_(telemetry.meter->histogram(metric::session_request_duration)),
      append_ok_(session_duration_.bind({"append", ""})),
      read_ok_(session_duration_.bind({"read", ""})),
      head_ok_(session_duration_.bind({"head", ""})) {}

telemetry::BoundHistogram CallReports::duration_of(std::string_view operation,
                                                   std::string_view error) const {
  if (!error.empty()) return session_duration_.bind({operation, error});
  if (operation == "append") return append_ok_;
  return operation == "read" ? read_ok_ : head_ok_;
}

CallReport CallReports::begin(std::string_view method, const grpc::ServerContext& context) const {
  CallReport report;
  auto parent = telemetry::w3c_propagator().extract(CallHeaders(context));
  if (!reporting_) {
    report.span_ = telemetry::Span(std::move(parent));
    return report;
  }
  report.method_ = method;
  report.duration_ = &duration_;
  report.began_ = system_clock().instant();
  report.span_ =
      tracer_->start_span(method, {{"rpc.system.name", "grpc"}, {"rpc.method", method}},
                          {.kind = telemetry::SpanKind::server, .parent = std::move(parent)});
  return report;
}

CallReport& CallReport::operator=(CallReport&& other) noexcept {
  end(grpc::StatusCode::CANCELLED);
  method_ = other.method_;
  duration_ = std::exchange(other.duration_, nullptr);
  began_ = other.began_;
  span_ = std::move(other.span_);
  return *this;
}

void CallReport::end(grpc::StatusCode code) {
  const auto* duration = std::exchange(duration_, nullptr);
  if (duration == nullptr) return;
  const auto status = name_of_status(code);
  const auto error = is_servers_error(code) ? status : std::string_view();
  duration->bind({"grpc", method_, status, error})
      .record(system_clock().instant() - began_, span_.span_context());
  if (span_.is_recording()) {
    span_.set_attribute("rpc.response.status_code", status);
    if (!error.empty()) {
      span_.set_attribute("error.type", error);
      span_.set_status(StatusCode::error);
    }
  }
  if (!error.empty()) {
    const telemetry::Scope scope(span_.context());
    spdlog::log(is_bug(code) ? spdlog::level::err : spdlog::level::debug, "{} ended with {}",
                method_, status);
  }
  span_.end();
}

SessionReport CallReports::begin(std::string_view operation, const v1::RequestContext* request,
                                 const telemetry::Context& stream, Instant arrived) const {
  auto parent =
      request != nullptr ? telemetry::w3c_propagator().extract(RequestHeaders(*request)) : stream;
  if (!reporting_) return {.operation = operation, .span = telemetry::Span(std::move(parent))};
  return {
      .operation = operation,
      .began = arrived,
      .span = tracer_->start_span(
          span_name(operation),
          {{"rpc.system.name", "grpc"}, {"rpc.method", "weir.v1.EventLog/Session"}},
          {.kind = telemetry::SpanKind::server, .parent = std::move(parent), .began = arrived})};
}

void CallReports::end(SessionReport& report, const Error* error) const {
  if (!reporting_) return;
  const auto type = error != nullptr ? name_of(error->code) : std::string_view();
  duration_of(report.operation, type)
      .record(system_clock().instant() - report.began, report.span.span_context());
  if (error != nullptr && report.span.is_recording()) {
    report.span.set_attribute("error.type", type);
    if (is_servers_error(static_cast<grpc::StatusCode>(error->code))) {
      report.span.set_status(StatusCode::error, error->message);
    }
  }
  if (error != nullptr && is_bug(static_cast<grpc::StatusCode>(error->code))) {
    const telemetry::Scope scope(report.span.context());
    spdlog::error("session {} ended with {}", report.operation, to_string(*error));
  }
  report.span.end();
}

void stamp(AppendRequest& append, const telemetry::Context& context) {
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) append.stamp.push_back({std::string(key), std::string(value)});
  };
  add(telemetry::correlation_header, context.correlation_id());
  add(telemetry::causation_header, context.causation_id());
  if (context.span.valid() && context.span.sampled) {
    add(telemetry::traceparent_header, telemetry::format_traceparent(context.span));
  }
}

}  // namespace weir::server
