#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weir/telemetry/sdk/batch_span_processor.hpp>
#include <weir/telemetry/sdk/periodic_reader.hpp>
#include <weir/telemetry/sdk/resource.hpp>
#include <weir/telemetry/sdk/sampler.hpp>

namespace weir::telemetry {

/// Where OTLP goes.
struct OtlpSettings {
  enum class Protocol : std::uint8_t { grpc, http_protobuf };

  /// "http://HOST:PORT" or "https://HOST:PORT" (gRPC only), for HTTP also with a path, to which
  /// /v1/traces and /v1/metrics are added. Default: port 4317 (gRPC) or 4318 (HTTP) of localhost.
  std::string endpoint;
  Protocol protocol = Protocol::http_protobuf;
  /// Sent along; names in lower case.
  std::vector<std::pair<std::string, std::string>> headers = {};
  /// Of one attempt. Range 1 ms to 10 min. Default 10 s.
  std::chrono::milliseconds timeout{10'000};
};

enum class ExporterKind : std::uint8_t { none, otlp, console };

/// What the OTEL_* variables say.
struct TelemetrySettings {
  /// OTEL_SDK_DISABLED=true: nothing is traced, measured or exported.
  bool disabled = false;
  /// OTEL_SERVICE_NAME (default "weir") and OTEL_RESOURCE_ATTRIBUTES.
  Resource resource;
  /// OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG. Default parentbased_always_on.
  Sampler sampler = Sampler::create({}).value();
  /// OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER: otlp, console, none. Default: otlp when
  /// OTEL_EXPORTER_OTLP_ENDPOINT is set, else none. "prometheus" is none: /metrics is always there.
  ExporterKind traces = ExporterKind::none;
  ExporterKind metrics = ExporterKind::none;
  /// OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL (grpc, http/protobuf), _HEADERS, _TIMEOUT.
  OtlpSettings otlp;
  /// OTEL_BSP_MAX_QUEUE_SIZE, _MAX_EXPORT_BATCH_SIZE, _SCHEDULE_DELAY, _EXPORT_TIMEOUT.
  BatchOptions batch;
  /// OTEL_METRIC_EXPORT_INTERVAL, OTEL_METRIC_EXPORT_TIMEOUT.
  PeriodicReaderOptions reader;
};

/// Looks up a variable; nothing when it is not set. An empty one counts as not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const char* name)>;

/// Reads the variables as OpenTelemetry defines them.
/// Errors: invalid_argument naming the variable.
Result<TelemetrySettings> read_environment(const EnvironmentLookup& lookup);

}  // namespace weir::telemetry
