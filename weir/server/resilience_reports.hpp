#pragma once

#include <memory>

#include <weir/resilience/core/event.hpp>
#include <weir/store/resilient/shield.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace weir::server {

/// Where resilience and telemetry meet: counts what pipelines do, and puts a span without length
/// for it ("retried store.read") under the work it was done for, when that is traced.
/// Threads: any.
class ResilienceReports final : public resilience::Listener {
 public:
  /// Tracer and meter must outlive it.
  explicit ResilienceReports(telemetry::Telemetry telemetry);

  void on_event(const resilience::Event& event) noexcept override;

 private:
  void trace(const resilience::Event& event) const;

  telemetry::Tracer* const tracer_;
  const telemetry::Counter events_;
};

/// How the shield's circuits stand whenever somebody collects. The meter must outlive what is
/// returned.
std::unique_ptr<telemetry::Observed> observe_circuits(
    telemetry::Meter& meter, std::shared_ptr<const resilient::Shield> shield);

}  // namespace weir::server
