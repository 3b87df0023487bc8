#include <weir/server/store_reports.hpp>

#include <fmt/format.h>

#include <weir/telemetry/api/metric_list.hpp>

namespace weir::server {
namespace {

namespace metric = telemetry::metric;
using telemetry::MetricSpec;
using telemetry::Observer;

using Value = std::optional<double> (*)(const LogGauges& gauges);

std::unique_ptr<telemetry::Observed> observe(telemetry::Meter& meter, const MetricSpec& spec,
                                             const Logs& logs, Value value) {
  return meter.observe(spec, [&logs, value](Observer& to) {
    for (const auto& log : logs.open()) {
      const auto gauges = log->gauges();
      if (!gauges) continue;
      if (const auto of = value(*gauges)) to.observe(*of, {log->info().name});
    }
  });
}

template <class Number>
std::optional<double> number(Number value) {
  return static_cast<double>(value);
}

}  // namespace

StoreReports::StoreReports(telemetry::Telemetry telemetry)
    : tracer_(telemetry.tracer),
      append_events_(telemetry.meter->counter(metric::store_append_events)),
      append_refused_(telemetry.meter->counter(metric::store_append_refused)),
      read_events_(telemetry.meter->counter(metric::store_read_events)),
      commit_duration_(telemetry.meter->histogram(metric::store_commit_duration)),
      commit_appends_(telemetry.meter->histogram(metric::store_commit_appends)),
      commit_events_(telemetry.meter->histogram(metric::store_commit_events)),
      read_duration_(telemetry.meter->histogram(metric::store_read_duration)) {}

void StoreReports::committed(const Commit& commit) {
  for (const auto code : commit.refused) refused(commit.log, code);
  if (commit.appends > 0 || commit.error) {
    const auto error = commit.error ? name_of(*commit.error) : std::string_view();
    const auto span = commit.traced.empty() ? telemetry::SpanContext() : commit.traced.front().span;
    commit_duration_.bind({commit.log, error}).record(commit.took, span);
  }
  if (commit.appends > 0) {
    append_events_.add(commit.events, {commit.log});
    commit_appends_.record(static_cast<double>(commit.appends), {commit.log});
    commit_events_.record(static_cast<double>(commit.events), {commit.log});
  }
  trace(commit);
}

telemetry::Span StoreReports::begin(std::string_view operation, std::string_view log,
                                    std::span<const telemetry::Context> requests, Instant began) {
  telemetry::SpanOptions options{.parent = requests.front(), .began = began};
  for (const auto& other : requests.subspan(1)) options.links.push_back({other.span});
  return tracer_->start_span(fmt::format("{} {}", operation, log), {{"weir.log.name", log}},
                             options);
}

void StoreReports::trace(const Commit& commit) {
  if (commit.span == nullptr) return;
  describe(*commit.span, commit);
  for (const auto& request : commit.traced.subspan(1)) {
    auto span = tracer_->start_span(
        fmt::format("append {}", commit.log), {{"weir.log.name", commit.log}},
        {.parent = request, .links = {{commit.span->span_context()}}, .began = commit.began});
    describe(span, commit);
  }
}

void StoreReports::describe(telemetry::Span& span, const Commit& commit) {
  span.set_attribute("weir.commit.appends", static_cast<std::int64_t>(commit.appends));
  span.set_attribute("weir.commit.events", static_cast<std::int64_t>(commit.events));
  if (commit.error) {
    span.set_attribute("error.type", name_of(*commit.error));
    span.set_status(telemetry::StatusCode::error);
  }
}

void StoreReports::refused(std::string_view log, Code code) {
  append_refused_.add(1, {log, name_of(code)});
}

void StoreReports::read(const Read& read) {
  const auto error = read.error ? name_of(*read.error) : std::string_view();
  read_duration_.bind({read.log, error}).record(read.took, read.context.span);
  if (read.events > 0) read_events_.add(read.events, {read.log});
  if (read.span == nullptr) return;
  read.span->set_attribute("weir.read.events", static_cast<std::int64_t>(read.events));
  if (read.error) read.span->set_attribute("error.type", error);
}

std::vector<std::unique_ptr<telemetry::Observed>> observe_logs(telemetry::Meter& meter,
                                                               const Logs& logs) {
  std::vector<std::unique_ptr<telemetry::Observed>> observed;
  const auto add = [&](const MetricSpec& spec, Value value) {
    observed.push_back(observe(meter, spec, logs, value));
  };
  add(metric::store_queue_depth, [](const LogGauges& of) { return number(of.queue_depth); });
  add(metric::store_head, [](const LogGauges& of) { return number(of.head); });
  add(metric::store_tail_events, [](const LogGauges& of) { return number(of.tail_events); });
  add(metric::store_subscribers, [](const LogGauges& of) { return number(of.subscribers); });
  add(metric::store_subscription_lag, [](const LogGauges& of) -> std::optional<double> {
    if (!of.subscription_lag) return std::nullopt;
    return number(*of.subscription_lag);
  });
  return observed;
}

}  // namespace weir::server
