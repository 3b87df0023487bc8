#include <weir/telemetry/otlp/encode.hpp>

#include <map>

#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

#include <weir/base/json.hpp>

namespace weir::telemetry::otlp {
namespace {

namespace proto = opentelemetry::proto;

template <class Id>
std::string bytes_of(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

/// Protobuf's strings are UTF-8; what isn't would make the receiver refuse the whole request.
std::string text_of(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out(text);
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return out;
}

std::uint64_t nanos(Timestamp time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

void fill(const OwnedValue& value, proto::common::v1::AnyValue& to) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    to.set_string_value(text_of(*text));
  } else if (const auto* truth = std::get_if<bool>(&value)) {
    to.set_bool_value(*truth);
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    to.set_int_value(*whole);
  } else {
    to.set_double_value(std::get<double>(value));
  }
}

template <class Repeated>
void fill(const std::vector<OwnedAttribute>& attributes, Repeated& to) {
  for (const auto& [key, value] : attributes) {
    auto& attribute = *to.Add();
    attribute.set_key(text_of(key));
    fill(value, *attribute.mutable_value());
  }
}

void fill(const SpanData& span, proto::trace::v1::Span& to) {
  to.set_trace_id(bytes_of(span.context.trace_id));
  to.set_span_id(bytes_of(span.context.span_id));
  if (span.context.trace_state) to.set_trace_state(*span.context.trace_state);
  if (span.parent.valid()) to.set_parent_span_id(bytes_of(span.parent));
  to.set_flags((span.context.sampled ? 1u : 0u) | 0x100u | (span.parent_remote ? 0x200u : 0u));
  to.set_name(text_of(span.name));
  to.set_kind(static_cast<proto::trace::v1::Span::SpanKind>(span.kind));
  to.set_start_time_unix_nano(span.start);
  to.set_end_time_unix_nano(span.end);
  fill(span.attributes, *to.mutable_attributes());
  to.set_dropped_attributes_count(span.dropped_attributes);
  for (const auto& event : span.events) {
    auto& one = *to.add_events();
    one.set_time_unix_nano(event.at);
    one.set_name(text_of(event.name));
    fill(event.attributes, *one.mutable_attributes());
  }
  to.set_dropped_events_count(span.dropped_events);
  for (const auto& link : span.links) {
    auto& one = *to.add_links();
    one.set_trace_id(bytes_of(link.to.trace_id));
    one.set_span_id(bytes_of(link.to.span_id));
    if (link.to.trace_state) one.set_trace_state(*link.to.trace_state);
    one.set_flags((link.to.sampled ? 1u : 0u) | 0x100u | (link.to.remote ? 0x200u : 0u));
  }
  to.set_dropped_links_count(span.dropped_links);
  if (span.status == StatusCode::unset) return;
  to.mutable_status()->set_code(static_cast<proto::trace::v1::Status::StatusCode>(span.status));
  to.mutable_status()->set_message(text_of(span.status_description));
}

template <class Point>
void fill_labels(const MetricSpec& spec, const MetricPoint& point, Point& to) {
  if (point.overflow) {
    auto& attribute = *to.add_attributes();
    attribute.set_key("otel.metric.overflow");
    attribute.mutable_value()->set_bool_value(true);
    return;
  }
  for (std::size_t i = 0; i < spec.labels.size(); ++i) {
    if (point.labels[i].empty()) continue;
    auto& attribute = *to.add_attributes();
    attribute.set_key(std::string(spec.labels[i]));
    attribute.mutable_value()->set_string_value(text_of(point.labels[i]));
  }
}

void fill(const Exemplar& exemplar, proto::metrics::v1::Exemplar& to) {
  to.set_as_double(exemplar.value);
  to.set_time_unix_nano(nanos(exemplar.at));
  to.set_trace_id(bytes_of(exemplar.trace_id));
  to.set_span_id(bytes_of(exemplar.span_id));
}

struct Range {
  std::uint64_t started;
  std::uint64_t now;
};

template <class Data>
void fill_numbers(const MetricSnapshot& metric, const Range& range, bool cumulative, Data& to) {
  for (const auto& point : metric.points) {
    auto& one = *to.add_data_points();
    fill_labels(metric.spec, point, one);
    if (cumulative) one.set_start_time_unix_nano(range.started);
    one.set_time_unix_nano(range.now);
    if (const auto* whole = std::get_if<std::int64_t>(&point.value)) {
      one.set_as_int(*whole);
    } else {
      one.set_as_double(std::get<double>(point.value));
    }
    if (point.exemplar) fill(*point.exemplar, *one.add_exemplars());
  }
}

void fill_histogram(const MetricSnapshot& metric, const Range& range,
                    proto::metrics::v1::Histogram& to) {
  to.set_aggregation_temporality(proto::metrics::v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  for (const auto& point : metric.points) {
    auto& one = *to.add_data_points();
    fill_labels(metric.spec, point, one);
    one.set_start_time_unix_nano(range.started);
    one.set_time_unix_nano(range.now);
    one.set_count(point.histogram.count);
    one.set_sum(point.histogram.sum);
    for (const auto count : point.histogram.counts) one.add_bucket_counts(count);
    for (const auto bound : metric.spec.bounds) one.add_explicit_bounds(bound);
    for (const auto& exemplar : point.histogram.exemplars) {
      if (exemplar) fill(*exemplar, *one.add_exemplars());
    }
  }
}

void fill(const MetricSnapshot& metric, const Range& range, proto::metrics::v1::Metric& to) {
  to.set_name(std::string(metric.spec.name));
  to.set_description(std::string(metric.spec.help));
  to.set_unit(std::string(metric.spec.unit));
  switch (metric.spec.kind) {
    case MetricKind::histogram:
      return fill_histogram(metric, range, *to.mutable_histogram());
    case MetricKind::gauge:
      return fill_numbers(metric, range, false, *to.mutable_gauge());
    case MetricKind::counter:
    case MetricKind::up_down_counter:
      to.mutable_sum()->set_is_monotonic(metric.spec.kind == MetricKind::counter);
      to.mutable_sum()->set_aggregation_temporality(
          proto::metrics::v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
      return fill_numbers(metric, range, true, *to.mutable_sum());
  }
}

}  // namespace

std::string encode(const SpanBatch& spans, const Resource& resource) {
  proto::collector::trace::v1::ExportTraceServiceRequest request;
  auto& all = *request.add_resource_spans();
  fill(resource.attributes, *all.mutable_resource()->mutable_attributes());
  std::map<std::string_view, proto::trace::v1::ScopeSpans*> scopes;
  for (const auto& span : spans) {
    auto& scope = scopes[span->scope];
    if (scope == nullptr) {
      scope = all.add_scope_spans();
      scope->mutable_scope()->set_name(text_of(span->scope));
    }
    fill(*span, *scope->add_spans());
  }
  return request.SerializeAsString();
}

std::string encode(const std::vector<MetricSnapshot>& metrics, const Resource& resource,
                   Timestamp started, Timestamp now) {
  proto::collector::metrics::v1::ExportMetricsServiceRequest request;
  auto& all = *request.add_resource_metrics();
  fill(resource.attributes, *all.mutable_resource()->mutable_attributes());
  auto& scope = *all.add_scope_metrics();
  scope.mutable_scope()->set_name("weir");
  const Range range{nanos(started), nanos(now)};
  for (const auto& metric : metrics) fill(metric, range, *scope.add_metrics());
  return request.SerializeAsString();
}

std::size_t rejected_spans(const std::string& response) {
  proto::collector::trace::v1::ExportTraceServiceResponse answer;
  if (!answer.ParseFromString(response)) return 0;
  return static_cast<std::size_t>(
      std::max<std::int64_t>(answer.partial_success().rejected_spans(), 0));
}

std::size_t rejected_points(const std::string& response) {
  proto::collector::metrics::v1::ExportMetricsServiceResponse answer;
  if (!answer.ParseFromString(response)) return 0;
  return static_cast<std::size_t>(
      std::max<std::int64_t>(answer.partial_success().rejected_data_points(), 0));
}

}  // namespace weir::telemetry::otlp
