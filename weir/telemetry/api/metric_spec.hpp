#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weir::telemetry {

enum class MetricKind : std::uint8_t { counter, up_down_counter, gauge, histogram };

/// "counter", "updowncounter", "gauge", "histogram".
std::string_view name_of(MetricKind kind);

/// What a metric is. Everything it points to lives as long as the program.
struct MetricSpec {
  /// As OpenTelemetry writes it: "rpc.server.call.duration".
  std::string_view name;
  MetricKind kind = MetricKind::counter;
  /// UCUM: "s", "By", "1", "{event}".
  std::string_view unit;
  /// A sentence without its full stop.
  std::string_view help;
  /// Names of its labels, in the order in which their values are given.
  std::span<const std::string_view> labels = {};
  /// Upper bounds of a histogram's buckets, rising; one more holds the rest.
  std::span<const double> bounds = {};
};

}  // namespace weir::telemetry
