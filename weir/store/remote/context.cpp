#include <weir/store/remote/context.hpp>

#include <weir/base/deadline.hpp>
#include <weir/base/json.hpp>
#include <weir/base/printable.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::remote {
namespace {

bool empty(const telemetry::Context& context) {
  return !context.span.valid() && context.carried == nullptr;
}

const telemetry::Context& context_of(const CallOptions& call) {
  return empty(call.context) ? telemetry::current_context() : call.context;
}

class RequestHeaders final : public telemetry::TextMapCarrier {
 public:
  explicit RequestHeaders(v1::RequestContext& context) : context_(context) {}
  std::string_view get(std::string_view) const override { return {}; }
  void set(std::string_view name, std::string_view value) override {
    // Text that is not UTF-8 would take the session down, and with it what others have asked.
    if (!is_utf8(value)) return;
    const std::string text(value);
    if (name == telemetry::traceparent_header) context_.set_traceparent(text);
    if (name == telemetry::tracestate_header) context_.set_tracestate(text);
    if (name == telemetry::baggage_header) context_.set_baggage(text);
    if (name == telemetry::correlation_header) context_.set_correlation_id(text);
    if (name == telemetry::causation_header) context_.set_causation_id(text);
  }

 private:
  v1::RequestContext& context_;
};

class CallHeaders final : public telemetry::TextMapCarrier {
 public:
  explicit CallHeaders(grpc::ClientContext& context) : context_(context) {}
  std::string_view get(std::string_view) const override { return {}; }
  void set(std::string_view name, std::string_view value) override {
    // What a caller made up may be anything.
    if (is_printable(value)) context_.AddMetadata(std::string(name), std::string(value));
  }

 private:
  grpc::ClientContext& context_;
};

}  // namespace

void add_context(const CallOptions& call, v1::SessionRequest& request) {
  const auto& context = context_of(call);
  if (empty(context)) return;
  RequestHeaders headers(*request.mutable_context());
  telemetry::w3c_propagator().inject(context, headers);
}

void add_context(const CallOptions& call, grpc::ClientContext& to) {
  const auto& context = context_of(call);
  if (empty(context)) return;
  CallHeaders headers(to);
  telemetry::w3c_propagator().inject(context, headers);
}

std::chrono::nanoseconds time_left(Instant deadline) {
  return weir::time_left(deadline, system_clock().instant());
}

}  // namespace weir::remote
