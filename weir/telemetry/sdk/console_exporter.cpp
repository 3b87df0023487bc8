#include <weir/telemetry/sdk/console_exporter.hpp>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::telemetry {
namespace {

constexpr std::string_view kinds[] = {"", "internal", "server", "client", "producer", "consumer"};
constexpr std::string_view codes[] = {"unset", "ok", "error"};

void append_value(std::string& out, const OwnedValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return append_json_string(out, *text);
  if (const auto* truth = std::get_if<bool>(&value)) {
    out += *truth ? "true" : "false";
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    out += fmt::format("{}", *whole);
  } else {
    out += fmt::format("{}", std::get<double>(value));
  }
}

void append_attributes(std::string& out, const std::vector<OwnedAttribute>& attributes) {
  out += '{';
  for (const auto& [key, value] : attributes) {
    if (out.back() != '{') out += ',';
    append_json_string(out, key);
    out += ':';
    append_value(out, value);
  }
  out += '}';
}

Result<void> write_all(std::FILE* file, const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0) {
    return {};
  }
  return unavailable("the console can't be written to");
}

class ConsoleSpans final : public SpanExporter {
 public:
  explicit ConsoleSpans(std::FILE* file) : file_(file) {}
  Result<Exported> export_spans(const SpanBatch& spans, Instant, std::stop_token) override {
    std::string out;
    for (const auto& span : spans) out += to_json(*span) + '\n';
    WEIR_TRY(write_all(file_, out));
    return Exported{};
  }

 private:
  std::FILE* const file_;
};

class ConsoleMetrics final : public MetricExporter {
 public:
  explicit ConsoleMetrics(std::FILE* file) : file_(file) {}
  Result<void> export_metrics(const std::vector<MetricSnapshot>& metrics, Timestamp, Instant,
                              std::stop_token) override {
    std::string out;
    for (const auto& metric : metrics) {
      for (const auto& point : metric.points) append(out, metric.spec, point);
    }
    return write_all(file_, out);
  }

 private:
  static void append(std::string& out, const MetricSpec& spec, const MetricPoint& point) {
    out += "{\"metric\":";
    append_json_string(out, spec.name);
    out += ",\"labels\":{";
    for (std::size_t i = 0; i < spec.labels.size(); ++i) {
      if (point.labels[i].empty()) continue;
      if (out.back() != '{') out += ',';
      append_json_string(out, spec.labels[i]);
      out += ':';
      append_json_string(out, point.labels[i]);
    }
    if (spec.kind == MetricKind::histogram) {
      out +=
          fmt::format("}},\"count\":{},\"sum\":{}}}\n", point.histogram.count, point.histogram.sum);
    } else {
      out += "},\"value\":";
      std::visit([&](auto value) { out += fmt::format("{}", value); }, point.value);
      out += "}\n";
    }
  }

  std::FILE* const file_;
};

}  // namespace

std::string to_json(const SpanData& span) {
  std::string out = "{\"name\":";
  append_json_string(out, span.name);
  out += fmt::format(R"(,"kind":"{}","trace_id":"{}","span_id":"{}","parent_id":"{}")",
                     kinds[static_cast<std::size_t>(span.kind)], to_string(span.context.trace_id),
                     to_string(span.context.span_id),
                     span.parent.valid() ? to_string(span.parent) : "");
  out += fmt::format(R"(,"start_unix_nano":{},"seconds":{:.9f},"status":"{}")", span.start,
                     static_cast<double>(span.end - span.start) / 1e9,
                     codes[static_cast<std::size_t>(span.status)]);
  out += ",\"attributes\":";
  append_attributes(out, span.attributes);
  if (!span.events.empty()) {
    out += ",\"events\":[";
    for (const auto& event : span.events) {
      if (out.back() != '[') out += ',';
      out += "{\"name\":";
      append_json_string(out, event.name);
      out += ",\"attributes\":";
      append_attributes(out, event.attributes);
      out += '}';
    }
    out += ']';
  }
  return out + '}';
}

std::unique_ptr<SpanExporter> make_console_span_exporter(std::FILE* file) {
  return std::make_unique<ConsoleSpans>(file);
}

std::unique_ptr<MetricExporter> make_console_metric_exporter(std::FILE* file) {
  return std::make_unique<ConsoleMetrics>(file);
}

}  // namespace weir::telemetry
