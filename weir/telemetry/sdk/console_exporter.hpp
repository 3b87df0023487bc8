#pragma once

#include <cstdio>

#include <weir/telemetry/sdk/metric_exporter.hpp>
#include <weir/telemetry/sdk/span_exporter.hpp>

namespace weir::telemetry {

/// Writes each span as a line of JSON. `file` must outlive it.
std::unique_ptr<SpanExporter> make_console_span_exporter(std::FILE* file);

/// Writes each series as a line of JSON.
std::unique_ptr<MetricExporter> make_console_metric_exporter(std::FILE* file);

/// The span as that line, without its end.
std::string to_json(const SpanData& span);

}  // namespace weir::telemetry
