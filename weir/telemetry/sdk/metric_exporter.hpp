#pragma once

#include <stop_token>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>

namespace weir::telemetry {

/// Takes metrics out of the process.
/// Threads: one call at a time.
class MetricExporter {
 public:
  virtual ~MetricExporter() = default;
  /// Gives up at the deadline, and soon after `stop` fires. Counters and histograms count since
  /// `started`.
  virtual Result<void> export_metrics(const std::vector<MetricSnapshot>& metrics, Timestamp started,
                                      Instant deadline, std::stop_token stop) = 0;
};

}  // namespace weir::telemetry
