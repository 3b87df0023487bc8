#include <weir/telemetry/sdk/environment.hpp>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <weir/base/printable.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::telemetry {
namespace {

class Reader {
 public:
  explicit Reader(const EnvironmentLookup& lookup) : lookup_(lookup) {}

  std::optional<std::string> text(const char* name) const {
    auto value = lookup_(name);
    return value && !value->empty() ? std::move(value) : std::nullopt;
  }

  Result<void> flag(const char* name, bool& to) const {
    const auto value = text(name);
    if (!value) return {};
    auto lower = *value;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (lower != "true" && lower != "false") {
      return invalid_field(name, fmt::format("'{}' is neither true nor false", *value));
    }
    to = lower == "true";
    return {};
  }

  Result<void> number(const char* name, std::int64_t min, std::int64_t max,
                      const std::function<void(std::int64_t)>& set) const {
    const auto value = text(name);
    if (!value) return {};
    std::int64_t number = 0;
    const auto* end = value->data() + value->size();
    const auto [read_to, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc{} || read_to != end || number < min || number > max) {
      return invalid_field(
          name, fmt::format("'{}' is not a whole number from {} to {}", *value, min, max));
    }
    set(number);
    return {};
  }

  /// "key=value,key=value", percent-encoded as W3C baggage is.
  Result<Baggage> pairs(const char* name) const {
    const auto value = text(name);
    if (!value) return Baggage{};
    auto read = parse_baggage(*value);
    const auto members =
        static_cast<std::size_t>(std::count(value->begin(), value->end(), ',')) + 1;
    if (read.size() != members || value->find('=') == std::string::npos) {
      return invalid_field(name,
                           "it is not KEY=VALUE,KEY=VALUE with at most 64 members in 8192 "
                           "bytes");
    }
    return read;
  }

 private:
  const EnvironmentLookup& lookup_;
};

Result<void> read_exporter(const Reader& reader, const char* name, bool has_endpoint,
                           ExporterKind& to) {
  const auto value = reader.text(name);
  to = has_endpoint ? ExporterKind::otlp : ExporterKind::none;
  if (!value) return {};
  if (*value == "otlp") {
    to = ExporterKind::otlp;
  } else if (*value == "console") {
    to = ExporterKind::console;
  } else if (*value == "none" || *value == "prometheus") {
    to = ExporterKind::none;
  } else {
    return invalid_field(name, fmt::format("'{}' is none of otlp, console, none", *value));
  }
  return {};
}

/// gRPC would end the program over what is no header, with the first export.
Result<void> read_headers(const Reader& reader, OtlpSettings& otlp) {
  constexpr const char* name = "OTEL_EXPORTER_OTLP_HEADERS";
  constexpr std::string_view of_keys = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  const bool grpc = otlp.protocol == OtlpSettings::Protocol::grpc;
  WEIR_TRY_ASSIGN(headers, reader.pairs(name));
  for (auto& [key, value, properties] : headers) {
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (grpc && key.find_first_not_of(of_keys) != std::string::npos) {
      return invalid_field(name, fmt::format("gRPC has no header '{}'", key));
    }
    if (!is_printable(value)) {
      return invalid_field(name, fmt::format("the value of '{}' is not printable ASCII", key));
    }
    otlp.headers.emplace_back(std::move(key), std::move(value));
  }
  return {};
}

Result<void> read_otlp(const Reader& reader, OtlpSettings& otlp) {
  const auto protocol = reader.text("OTEL_EXPORTER_OTLP_PROTOCOL").value_or("http/protobuf");
  if (protocol == "grpc") {
    otlp.protocol = OtlpSettings::Protocol::grpc;
  } else if (protocol != "http/protobuf") {
    return invalid_field("OTEL_EXPORTER_OTLP_PROTOCOL",
                         fmt::format("'{}' is neither grpc nor http/protobuf", protocol));
  }
  const bool grpc = otlp.protocol == OtlpSettings::Protocol::grpc;
  otlp.endpoint = reader.text("OTEL_EXPORTER_OTLP_ENDPOINT")
                      .value_or(grpc ? "http://localhost:4317" : "http://localhost:4318");
  const std::string_view endpoint = otlp.endpoint;
  const bool secure = endpoint.starts_with("https://");
  if (!secure && !endpoint.starts_with("http://")) {
    return invalid_field(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        fmt::format("'{}' is not http://HOST:PORT or https://HOST:PORT", endpoint));
  }
  if (secure && !grpc) {
    return invalid_field("OTEL_EXPORTER_OTLP_ENDPOINT",
                         "https is there for OTEL_EXPORTER_OTLP_PROTOCOL=grpc only");
  }
  WEIR_TRY(read_headers(reader, otlp));
  return reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", 1, 600'000, [&](std::int64_t milliseconds) {
    otlp.timeout = std::chrono::milliseconds(milliseconds);
  });
}

Result<void> read_batch(const Reader& reader, BatchOptions& batch) {
  const auto milliseconds = [](std::chrono::milliseconds& to) {
    return [&to](std::int64_t value) { to = std::chrono::milliseconds(value); };
  };
  const auto size = [](std::size_t& to) {
    return [&to](std::int64_t value) { to = static_cast<std::size_t>(value); };
  };
  WEIR_TRY(reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 1, 1'000'000, size(batch.queue_max)));
  batch.batch_max = std::min(batch.batch_max, batch.queue_max);
  WEIR_TRY(reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1,
                         static_cast<std::int64_t>(batch.queue_max), size(batch.batch_max)));
  WEIR_TRY(reader.number("OTEL_BSP_SCHEDULE_DELAY", 1, 3'600'000, milliseconds(batch.every)));
  return reader.number("OTEL_BSP_EXPORT_TIMEOUT", 1, 600'000, milliseconds(batch.export_timeout));
}

Result<void> read_resource(const Reader& reader, Resource& resource) {
  resource.set("service.name", "weir");
  WEIR_TRY_ASSIGN(attributes, reader.pairs("OTEL_RESOURCE_ATTRIBUTES"));
  for (auto& [key, value, properties] : attributes) resource.set(key, std::move(value));
  if (auto name = reader.text("OTEL_SERVICE_NAME")) resource.set("service.name", std::move(*name));
  return {};
}

}  // namespace

Result<TelemetrySettings> read_environment(const EnvironmentLookup& lookup) {
  const Reader reader(lookup);
  TelemetrySettings settings;
  WEIR_TRY(reader.flag("OTEL_SDK_DISABLED", settings.disabled));
  WEIR_TRY(read_resource(reader, settings.resource));
  WEIR_TRY_ASSIGN(
      sampler, Sampler::parse(reader.text("OTEL_TRACES_SAMPLER").value_or("parentbased_always_on"),
                              reader.text("OTEL_TRACES_SAMPLER_ARG")));
  settings.sampler = sampler;
  const bool endpoint = reader.text("OTEL_EXPORTER_OTLP_ENDPOINT").has_value();
  WEIR_TRY(read_exporter(reader, "OTEL_TRACES_EXPORTER", endpoint, settings.traces));
  WEIR_TRY(read_exporter(reader, "OTEL_METRICS_EXPORTER", endpoint, settings.metrics));
  WEIR_TRY(read_otlp(reader, settings.otlp));
  WEIR_TRY(read_batch(reader, settings.batch));
  WEIR_TRY(reader.number("OTEL_METRIC_EXPORT_INTERVAL", 10, 3'600'000, [&](std::int64_t value) {
    settings.reader.every = std::chrono::milliseconds(value);
  }));
  WEIR_TRY(reader.number("OTEL_METRIC_EXPORT_TIMEOUT", 1, 600'000, [&](std::int64_t value) {
    settings.reader.export_timeout = std::chrono::milliseconds(value);
  }));
  return settings;
}

}  // namespace weir::telemetry
