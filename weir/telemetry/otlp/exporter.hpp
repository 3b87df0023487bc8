#pragma once

#include <memory>

#include <weir/telemetry/sdk/environment.hpp>
#include <weir/telemetry/sdk/metric_exporter.hpp>
#include <weir/telemetry/sdk/span_exporter.hpp>

namespace weir::telemetry {

/// Sends spans by OTLP, over gRPC or as HTTP/protobuf, and repeats what may be repeated until the
/// deadline, as the protocol says.
/// Errors: invalid_argument naming what is wrong with the settings.
Result<std::unique_ptr<SpanExporter>> make_otlp_span_exporter(const OtlpSettings& settings,
                                                              Resource resource,
                                                              const Clock& clock);

/// The same with metrics, cumulative.
Result<std::unique_ptr<MetricExporter>> make_otlp_metric_exporter(const OtlpSettings& settings,
                                                                  Resource resource,
                                                                  const Clock& clock);

}  // namespace weir::telemetry
