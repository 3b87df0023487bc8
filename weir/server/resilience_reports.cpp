#include <weir/server/resilience_reports.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <weir/telemetry/api/metric_list.hpp>

namespace weir::server {
namespace {

using resilience::EventKind;

double in_seconds(resilience::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// Changes of a circuit are for whoever looks after the server; the rest is for metrics.
void log(const resilience::Event& event) {
  switch (event.kind) {
    case EventKind::opened:
      spdlog::warn("{}: the circuit opened for {:.3g} s, calls are refused", event.pipeline,
                   in_seconds(event.duration));
      break;
    case EventKind::half_opened:
      spdlog::info("{}: the circuit lets a call through to try", event.pipeline);
      break;
    case EventKind::closed:
      spdlog::info("{}: the circuit closed", event.pipeline);
      break;
    default:
      break;
  }
}

}  // namespace

ResilienceReports::ResilienceReports(telemetry::Telemetry telemetry)
    : tracer_(telemetry.tracer),
      events_(telemetry.meter->counter(telemetry::metric::resilience_events)) {}

void ResilienceReports::on_event(const resilience::Event& event) noexcept {
  events_.add(1, {event.pipeline, event.strategy, name_of(event.kind)});
  log(event);
  if (telemetry::current_context().span.sampled) trace(event);
}

void ResilienceReports::trace(const resilience::Event& event) const {
  auto span = tracer_->start_span(fmt::format("{} {}", name_of(event.kind), event.pipeline),
                                  {{"weir.pipeline.name", event.pipeline},
                                   {"weir.strategy.name", event.strategy},
                                   {"weir.event.name", name_of(event.kind)},
                                   {"weir.operation.name", event.operation}});
  if (!span.is_recording()) return;
  if (event.kind == EventKind::retried) {
    span.set_attribute("weir.attempt", static_cast<std::int64_t>(event.attempt));
    span.set_attribute("weir.delay", in_seconds(event.duration));
  } else if (event.kind == EventKind::opened) {
    span.set_attribute("weir.open_for", in_seconds(event.duration));
  }
  if (event.error != nullptr) {
    span.set_attribute("error.type", name_of(event.error->code));
    span.set_status(telemetry::StatusCode::error, event.error->message);
  }
}

std::unique_ptr<telemetry::Observed> observe_circuits(
    telemetry::Meter& meter, std::shared_ptr<const resilient::Shield> shield) {
  return meter.observe(telemetry::metric::resilience_circuit_state,
                       [shield = std::move(shield)](telemetry::Observer& to) {
                         for (const auto& [pipeline, circuit] : shield->circuits()) {
                           to.observe(static_cast<double>(circuit.state), {pipeline});
                         }
                       });
}

}  // namespace weir::server
