#pragma once

#include <string>

#include <weir/telemetry/sdk/metric_registry.hpp>
#include <weir/telemetry/sdk/span_exporter.hpp>

namespace weir::telemetry::otlp {

/// A serialized ExportTraceServiceRequest, and ExportMetricsServiceRequest.
std::string encode(const SpanBatch& spans, const Resource& resource);
std::string encode(const std::vector<MetricSnapshot>& metrics, const Resource& resource,
                   Timestamp started, Timestamp now);

/// How many spans or data points a receiver's answer says that it rejected.
std::size_t rejected_spans(const std::string& response);
std::size_t rejected_points(const std::string& response);

}  // namespace weir::telemetry::otlp
