#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <weir/telemetry/sdk/metric_registry.hpp>
#include <weir/telemetry/sdk/resource.hpp>

namespace weir::telemetry {

/// How Prometheus is answered.
enum class ExpositionFormat : std::uint8_t {
  text_0_0_4,
  /// With units and exemplars.
  openmetrics_1_0_0,
};

/// What a request's Accept header asks for; the text format when it says nothing else.
ExpositionFormat choose_exposition(std::string_view accept);
std::string_view content_type_of(ExpositionFormat format);

/// The name that Prometheus knows a metric by: dots become underscores, then come the unit and, for
/// counters, "_total": "rpc_server_call_duration_seconds".
std::string prometheus_name(const MetricSpec& spec);

/// Metrics as Prometheus scrapes them; the resource is target_info.
std::string write_exposition(const std::vector<MetricSnapshot>& metrics, const Resource& resource,
                             ExpositionFormat format);

/// docs/reference/metrics.md.
std::string metrics_reference();

}  // namespace weir::telemetry
