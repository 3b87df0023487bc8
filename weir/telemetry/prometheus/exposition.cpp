#include <weir/telemetry/prometheus/exposition.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::telemetry {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string_view take(std::string_view& rest, char separator) {
  const auto at = std::min(rest.find(separator), rest.size());
  const auto part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return trimmed(part);
}

/// Letters, digits and underscores only.
std::string plain(std::string_view name) {
  std::string out(name);
  for (auto& c : out) {
    const bool fine =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fine) c = '_';
  }
  if (!out.empty() && out.front() >= '0' && out.front() <= '9') out.insert(0, "_");
  return out;
}

/// UCUM's unit in Prometheus's words; empty for what has none.
std::string_view unit_word(const MetricSpec& spec) {
  if (spec.unit == "s") return "seconds";
  if (spec.unit == "By") return "bytes";
  if (spec.unit == "1" && spec.kind == MetricKind::gauge) return "ratio";
  return {};
}

/// Without "_total".
std::string family_name(const MetricSpec& spec) {
  auto name = plain(spec.name);
  const auto unit = unit_word(spec);
  if (!unit.empty() && !name.ends_with(fmt::format("_{}", unit))) name += fmt::format("_{}", unit);
  return name;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  auto text = fmt::format("{}", value);
  // With a decimal point in both formats, so that a bound is the same series in both.
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string number(const std::variant<std::int64_t, double>& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  return number(std::get<double>(value));
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

class Writer {
 public:
  explicit Writer(ExpositionFormat format) : open_(format == ExpositionFormat::openmetrics_1_0_0) {}

  void family(const MetricSnapshot& metric) {
    const auto& spec = metric.spec;
    const auto name = family_name(spec);
    const bool counter = spec.kind == MetricKind::counter;
    const auto type = spec.kind == MetricKind::histogram ? "histogram"
                      : counter                          ? "counter"
                                                         : "gauge";
    head(open_ || !counter ? name : name + "_total", type, spec.help, unit_word(spec));
    for (const auto& point : metric.points) {
      const auto labels = labels_of(spec, point);
      if (spec.kind == MetricKind::histogram) {
        histogram(name, spec, point, labels);
        continue;
      }
      out_ += counter ? name + "_total" : name;
      braces(labels, {});
      out_ += ' ' + number(point.value);
      if (counter) exemplar(point.exemplar);
      out_ += '\n';
    }
  }

  void target_info(const Resource& resource) {
    head(open_ ? "target" : "target_info", open_ ? "info" : "gauge", "Who reports", {});
    std::string labels;
    for (const auto& [key, value] : resource.attributes) {
      std::string text;
      std::visit(
          [&](const auto& of) {
            if constexpr (std::is_same_v<std::decay_t<decltype(of)>, std::string>) {
              text = of;
            } else {
              text = fmt::format("{}", of);
            }
          },
          value);
      append_label(labels, plain(key), text);
    }
    out_ += "target_info";
    braces(labels, {});
    out_ += " 1\n";
  }

  std::string finish() && {
    if (open_) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  void head(std::string_view name, std::string_view type, std::string_view help,
            std::string_view unit) {
    out_ += fmt::format("# HELP {} ", name);
    append_escaped(out_, help, open_);
    out_ += fmt::format("\n# TYPE {} {}\n", name, type);
    if (open_ && !unit.empty()) out_ += fmt::format("# UNIT {} {}\n", name, unit);
  }

  static void append_label(std::string& labels, std::string_view name, std::string_view value) {
    if (!labels.empty()) labels += ',';
    labels.append(name).append("=\"");
    append_escaped(labels, is_utf8(value) ? value : "(not UTF-8)", true);
    labels += '"';
  }

  static std::string labels_of(const MetricSpec& spec, const MetricPoint& point) {
    if (point.overflow) return "otel_metric_overflow=\"true\"";
    std::string labels;
    for (std::size_t i = 0; i < spec.labels.size(); ++i) {
      if (!point.labels[i].empty()) append_label(labels, plain(spec.labels[i]), point.labels[i]);
    }
    return labels;
  }

  void braces(std::string_view labels, std::string_view more) {
    if (labels.empty() && more.empty()) return;
    out_ += '{';
    out_ += labels;
    if (!labels.empty() && !more.empty()) out_ += ',';
    out_ += more;
    out_ += '}';
  }

  void histogram(const std::string& name, const MetricSpec& spec, const MetricPoint& point,
                 const std::string& labels) {
    const auto& totals = point.histogram;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < totals.counts.size(); ++i) {
      below += totals.counts[i];
      const auto bound = i < spec.bounds.size() ? number(spec.bounds[i]) : "+Inf";
      out_ += name + "_bucket";
      braces(labels, fmt::format("le=\"{}\"", bound));
      out_ += fmt::format(" {}", below);
      exemplar(totals.exemplars[i]);
      out_ += '\n';
    }
    out_ += name + "_sum";
    braces(labels, {});
    out_ += fmt::format(" {}\n{}_count", number(totals.sum), name);
    braces(labels, {});
    out_ += fmt::format(" {}\n", totals.count);
  }

  void exemplar(const std::optional<Exemplar>& exemplar) {
    if (!open_ || !exemplar) return;
    const auto seconds = std::chrono::duration<double>(exemplar->at.time_since_epoch()).count();
    out_ += fmt::format(" # {{trace_id=\"{}\",span_id=\"{}\"}} {} {:.3f}",
                        to_string(exemplar->trace_id), to_string(exemplar->span_id),
                        number(exemplar->value), seconds);
  }

  const bool open_;
  std::string out_;
};

}  // namespace

ExpositionFormat choose_exposition(std::string_view accept) {
  double best_open = 0, best_text = 0;
  while (!accept.empty()) {
    auto range = take(accept, ',');
    const auto type = take(range, ';');
    double quality = 1;
    std::string_view version;
    while (!range.empty()) {
      auto parameter = take(range, ';');
      const auto name = take(parameter, '=');
      const auto* const end = parameter.data() + parameter.size();
      if (name == "q") std::from_chars(parameter.data(), end, quality);
      if (name == "version") version = parameter;
    }
    if (type == "application/openmetrics-text" && (version.empty() || version == "1.0.0")) {
      best_open = std::max(best_open, quality);
    } else if (type == "text/plain" && (version.empty() || version == "0.0.4")) {
      best_text = std::max(best_text, quality);
    }
  }
  return best_open > 0 && best_open >= best_text ? ExpositionFormat::openmetrics_1_0_0
                                                 : ExpositionFormat::text_0_0_4;
}

std::string_view content_type_of(ExpositionFormat format) {
  return format == ExpositionFormat::openmetrics_1_0_0
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string prometheus_name(const MetricSpec& spec) {
  return family_name(spec) + (spec.kind == MetricKind::counter ? "_total" : "");
}

std::string write_exposition(const std::vector<MetricSnapshot>& metrics, const Resource& resource,
                             ExpositionFormat format) {
  Writer writer(format);
  writer.target_info(resource);
  for (const auto& metric : metrics) writer.family(metric);
  return std::move(writer).finish();
}

}  // namespace weir::telemetry
