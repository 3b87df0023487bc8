#include <weir/server/reporting.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include <weir/server/resilience_reports.hpp>
#include <weir/server/store_reports.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/otlp/exporter.hpp>
#include <weir/telemetry/prometheus/exposition.hpp>
#include <weir/telemetry/sdk/console_exporter.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::server {
namespace {

namespace metric = telemetry::metric;
using telemetry::ExporterKind;
using telemetry::Observer;

constexpr std::string_view scope = "weir.server";

/// The methods of HTTP that metrics tell apart, by the conventions.
std::string_view known_method(std::string_view method) {
  for (const std::string_view known :
       {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"}) {
    if (method == known) return known;
  }
  return "_OTHER";
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// Pages that are in memory, of /proc/self/statm; 0 where that isn't there.
double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

Result<std::unique_ptr<telemetry::SpanExporter>> span_exporter(
    const telemetry::TelemetrySettings& settings, const ReportingOptions& options) {
  if (settings.traces == ExporterKind::console) {
    return telemetry::make_console_span_exporter(options.console);
  }
  return telemetry::make_otlp_span_exporter(settings.otlp, settings.resource, *options.clock);
}

Result<std::unique_ptr<telemetry::MetricExporter>> metric_exporter(
    const telemetry::TelemetrySettings& settings, const ReportingOptions& options) {
  if (settings.metrics == ExporterKind::console) {
    return telemetry::make_console_metric_exporter(options.console);
  }
  return telemetry::make_otlp_metric_exporter(settings.otlp, settings.resource, *options.clock);
}

}  // namespace

struct Reporting::Parts {
  telemetry::TelemetrySettings settings;
  const Clock* clock = nullptr;
  Instant began;
  // In this order: spans end before the processor does, which counts into the registry.
  std::unique_ptr<telemetry::MetricRegistry> registry;
  std::vector<std::unique_ptr<telemetry::Observed>> observed;
  std::unique_ptr<telemetry::PeriodicReader> reader;
  std::shared_ptr<telemetry::BatchSpanProcessor> processor;
  std::unique_ptr<telemetry::SdkTracerProvider> tracers;
  std::unique_ptr<StoreReports> store;
  std::shared_ptr<ResilienceReports> resilience;

  void observe_process();
};

void Reporting::Parts::observe_process() {
  observed.push_back(registry->observe(metric::process_cpu_time, [](Observer& to) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    to.observe(seconds_of(usage.ru_utime), {"user"});
    to.observe(seconds_of(usage.ru_stime), {"system"});
  }));
  observed.push_back(registry->observe(metric::process_memory_usage,
                                       [](Observer& to) { to.observe(resident_bytes(), {}); }));
  observed.push_back(registry->observe(metric::process_uptime, [this](Observer& to) {
    to.observe(std::chrono::duration<double>(clock->instant() - began).count(), {});
  }));
  observed.push_back(
      registry->observe(metric::build_info, [](Observer& to) { to.observe(1, {WEIR_VERSION}); }));
}

Result<std::shared_ptr<Reporting>> Reporting::create(ReportingOptions options) {
  auto parts = std::make_unique<Parts>();
  parts->settings = std::move(options.settings);
  parts->clock = options.clock;
  parts->began = options.clock->instant();
  parts->settings.resource.set("service.version", WEIR_VERSION);
  parts->settings.resource.set("telemetry.sdk.name", "weir");
  parts->settings.resource.set("telemetry.sdk.language", "cpp");
  parts->settings.resource.set("telemetry.sdk.version", WEIR_VERSION);
  WEIR_TRY_ASSIGN(registry, telemetry::MetricRegistry::create({.clock = options.clock}));
  parts->registry = std::move(registry);
  parts->observe_process();
  const auto& settings = parts->settings;
  if (!settings.disabled && settings.traces != ExporterKind::none) {
    WEIR_TRY_ASSIGN(exporter, span_exporter(settings, options));
    WEIR_TRY_ASSIGN(processor,
                    telemetry::BatchSpanProcessor::create(std::move(exporter), settings.batch,
                                                          *parts->registry, *options.clock));
    parts->processor = std::move(processor);
    parts->tracers = std::make_unique<telemetry::SdkTracerProvider>(
        parts->processor,
        telemetry::TracerProviderOptions{.sampler = settings.sampler, .clock = options.clock});
  }
  if (!settings.disabled && settings.metrics != ExporterKind::none) {
    WEIR_TRY_ASSIGN(exporter, metric_exporter(settings, options));
    WEIR_TRY_ASSIGN(reader, telemetry::PeriodicReader::create(*parts->registry, std::move(exporter),
                                                              settings.reader, *options.clock));
    parts->reader = std::move(reader);
  }
  auto made = std::shared_ptr<Reporting>(new Reporting(std::move(parts)));
  if (!made->parts_->settings.disabled) {
    made->parts_->store = std::make_unique<StoreReports>(made->telemetry());
    made->parts_->resilience = std::make_shared<ResilienceReports>(made->telemetry());
  }
  return made;
}

Reporting::Reporting(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Reporting::~Reporting() = default;

telemetry::Telemetry Reporting::telemetry() const {
  if (parts_->settings.disabled) return {};
  telemetry::Telemetry telemetry{.meter = parts_->registry.get()};
  if (parts_->tracers) telemetry.tracer = &parts_->tracers->tracer(scope);
  return telemetry;
}

StoreObserver* Reporting::store_observer() const {
  return parts_->store.get();
}

std::shared_ptr<resilience::Listener> Reporting::resilience_listener() const {
  return parts_->resilience;
}

telemetry::MetricRegistry& Reporting::registry() const {
  return *parts_->registry;
}

gateway::Route Reporting::metrics_route() const {
  return {"GET", "/metrics",
          [parts = parts_.get()](const gateway::HttpRequest& request,
                                 const std::shared_ptr<gateway::Exchange>& exchange) {
            const auto format = telemetry::choose_exposition(request.header("Accept"));
            gateway::HttpResponse response;
            response.headers.push_back(
                {"Content-Type", std::string(telemetry::content_type_of(format))});
            response.headers.push_back({"Cache-Control", "no-store"});
            response.body = telemetry::write_exposition(parts->registry->collect(),
                                                        parts->settings.resource, format);
            exchange->respond(std::move(response));
          }};
}

bool Reporting::force_flush(std::chrono::nanoseconds timeout) {
  const auto until = parts_->clock->instant() + timeout;
  const bool spans = !parts_->processor || parts_->processor->force_flush(timeout);
  const auto left = std::max(until - parts_->clock->instant(), Instant::duration(0));
  return (!parts_->reader || parts_->reader->force_flush(left)) && spans;
}

bool Reporting::shut_down(std::chrono::nanoseconds timeout) {
  const auto until = parts_->clock->instant() + timeout;
  const bool spans = !parts_->processor || parts_->processor->shut_down(timeout);
  const auto left = std::max(until - parts_->clock->instant(), Instant::duration(0));
  return (!parts_->reader || parts_->reader->shut_down(left)) && spans;
}

std::function<void(const gateway::HttpSummary&)> http_reports(telemetry::Meter& meter) {
  return [duration = meter.histogram(metric::http_server_request_duration)](
             const gateway::HttpSummary& summary) {
    if (summary.method.empty()) return;  // what came was no request
    const auto status = std::to_string(summary.status);
    const std::string_view error = summary.status >= 500 ? status : std::string_view();
    duration.bind({known_method(summary.method), summary.scheme, summary.route, status, error})
        .record(summary.duration, summary.span);
  };
}

std::vector<std::unique_ptr<telemetry::Observed>> observe_gateway(telemetry::Meter& meter,
                                                                  const gateway::Gateway& gateway) {
  std::vector<std::unique_ptr<telemetry::Observed>> observed;
  observed.push_back(meter.observe(metric::http_server_connections, [&gateway](Observer& to) {
    to.observe(static_cast<double>(gateway.stats().connections_open), {});
  }));
  observed.push_back(
      meter.observe(metric::http_server_connections_refused, [&gateway](Observer& to) {
        to.observe(static_cast<double>(gateway.stats().connections_refused), {});
      }));
  return observed;
}

}  // namespace weir::server
