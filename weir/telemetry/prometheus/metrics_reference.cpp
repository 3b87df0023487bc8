#include <fmt/format.h>

#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/prometheus/exposition.hpp>

namespace weir::telemetry {
namespace {

std::string labels_in_words(const MetricSpec& spec) {
  std::string out;
  for (const auto label : spec.labels) {
    if (!out.empty()) out += ", ";
    out += fmt::format("`{}`", label);
  }
  return out.empty() ? "–" : out;
}

std::string bounds_in_words(const MetricSpec& spec) {
  std::string out;
  for (const auto bound : spec.bounds) {
    if (!out.empty()) out += ' ';
    out += fmt::format("{}", bound);
  }
  return out;
}

}  // namespace

std::string metrics_reference() {
  std::string out = R"(# Metrics

Every metric that Weir reports: on `/metrics`, and by OTLP when an endpoint is set. Durations are in
seconds. `error.type` is absent on what succeeded. A metric keeps at most 2000 series; what is past
that is in one with `otel.metric.overflow="true"`. Made from `weir/telemetry/api/metric_list.cpp` by
`tools/build release metrics_reference`; a test keeps it so.

)";
  for (const auto* spec : metric::all()) {
    out += fmt::format("## {}\n\n{}.\n\n", spec->name, spec->help);
    out += fmt::format(
        "| Prometheus | kind | unit | labels |\n|---|---|---|---|\n"
        "| `{}` | {} | {} | {} |\n\n",
        prometheus_name(*spec), name_of(spec->kind),
        spec->unit.empty() ? "–" : fmt::format("`{}`", spec->unit), labels_in_words(*spec));
    if (!spec->bounds.empty()) out += fmt::format("Buckets: {}.\n\n", bounds_in_words(*spec));
  }
  out.pop_back();
  return out;
}

}  // namespace weir::telemetry
