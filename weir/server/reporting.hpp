#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/gateway/gateway.hpp>
#include <weir/resilience/core/event.hpp>
#include <weir/store/observer.hpp>
#include <weir/telemetry/api/telemetry.hpp>
#include <weir/telemetry/sdk/environment.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>

namespace weir::server {

struct ReportingOptions {
  telemetry::TelemetrySettings settings = {};
  /// Where the console exporters write. Must outlive the reporting.
  std::FILE* console = stderr;
  const Clock* clock = &system_clock();
};

/// What a server process reports with: its metrics, its spans, and where they go.
/// Threads: any. Must outlive all that reports.
class Reporting {
 public:
  /// Errors: invalid_argument naming the option.
  static Result<std::shared_ptr<Reporting>> create(ReportingOptions options);
  ~Reporting();
  Reporting(const Reporting&) = delete;
  Reporting& operator=(const Reporting&) = delete;

  telemetry::Telemetry telemetry() const;
  telemetry::MetricRegistry& registry() const;
  /// For weir::OpenOptions. Null when everything is disabled.
  StoreObserver* store_observer() const;
  /// For pipelines. Null when everything is disabled. The reporting must outlive who has it.
  std::shared_ptr<resilience::Listener> resilience_listener() const;
  /// GET /metrics, as Prometheus wants it.
  gateway::Route metrics_route() const;

  /// Exports what there is. False when it was not all taken in time.
  bool force_flush(std::chrono::nanoseconds timeout);
  /// Exports what is left and ends; later spans are dropped. False when time ran out.
  bool shut_down(std::chrono::nanoseconds timeout);

 private:
  struct Parts;
  explicit Reporting(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// Records each response of the gateway. The meter must outlive it.
std::function<void(const gateway::HttpSummary&)> http_reports(telemetry::Meter& meter);

/// The gateway's connections. Both must outlive what is returned.
std::vector<std::unique_ptr<telemetry::Observed>> observe_gateway(telemetry::Meter& meter,
                                                                  const gateway::Gateway& gateway);

}  // namespace weir::server
