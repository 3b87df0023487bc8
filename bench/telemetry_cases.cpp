#include <fmt/format.h>

#include <atomic>

#include <bench/case.hpp>
#include <bench/in_process.hpp>
#include <bench/process.hpp>
#include <weir/open.hpp>
#include <weir/server/reporting.hpp>
#include <weir/server/store_reports.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::bench {
namespace {

constexpr int times = 5'000'000;

/// Nanoseconds that each of many calls takes.
template <class Work>
double nanoseconds_each(const Context& context, Work work) {
  const auto began = context.clock.instant();
  for (int i = 0; i < times; ++i) work(i);
  const std::chrono::duration<double, std::nano> took = context.clock.instant() - began;
  return took.count() / times;
}

double atomic_add(const Context& context) {
  std::atomic<std::int64_t> sum{0};
  return nanoseconds_each(context, [&](int) { sum.fetch_add(1, std::memory_order_relaxed); });
}

Result<Figures> counter(Context& context) {
  WEIR_TRY_ASSIGN(registry, telemetry::MetricRegistry::create({}));
  const auto bound = registry->counter(telemetry::metric::store_append_events).bind({"default"});
  return alternate_less(
      context.rounds(), [&]() -> Result<double> { return atomic_add(context); },
      [&]() -> Result<double> { return nanoseconds_each(context, [&](int) { bound.add(); }); });
}

Result<Figures> histogram(Context& context) {
  WEIR_TRY_ASSIGN(registry, telemetry::MetricRegistry::create({}));
  const auto bound = registry->histogram(telemetry::metric::rpc_server_call_duration)
                         .bind({"grpc", "weir.v1.EventLog/Append", "OK", "OK", ""});
  return alternate_less(
      context.rounds(), [&]() -> Result<double> { return atomic_add(context); },
      [&]() -> Result<double> {
        // From 0 to 1 s, so that all buckets up to there have their turn.
        return nanoseconds_each(context, [&](int i) { bound.record((i & 1023) / 1024.0); });
      });
}

Result<Figures> in_process(Context& context) {
  WEIR_TRY_ASSIGN(reporting, server::Reporting::create({}));
  WEIR_TRY_ASSIGN(off, weir::open("sqlite:" + context.path("metrics-off.db")));
  WEIR_TRY_ASSIGN(on, weir::open("sqlite:" + context.path("metrics-on.db"),
                                 {.observer = reporting->store_observer()}));
  return compare_appends(off, on, context);
}

/// Takes spans, and forgets them.
class Forgets final : public telemetry::SpanProcessor {
 public:
  void on_end(std::unique_ptr<telemetry::SpanData>) override {}
  bool force_flush(std::chrono::nanoseconds) override { return true; }
  bool shut_down(std::chrono::nanoseconds) override { return true; }
};

/// A store that would make spans of its operations and statements, if anybody were traced.
Result<Figures> untraced(Context& context) {
  telemetry::SdkTracerProvider provider(std::make_shared<Forgets>(), {});
  const telemetry::Telemetry telemetry{.tracer = &provider.tracer("bench")};
  server::StoreReports reports(telemetry);
  server::StoreReports nobody{telemetry::Telemetry{}};
  WEIR_TRY_ASSIGN(off, weir::open("sqlite:" + context.path("spans-off.db"), {.observer = &nobody}));
  WEIR_TRY_ASSIGN(on, weir::open("sqlite:" + context.path("spans-on.db"),
                                 {.observer = &reports, .telemetry = telemetry}));
  return compare_appends(off, on, context);
}

/// Two servers, one that reports everything and one that reports nothing, loaded in turn.
Result<Figures> served(Context& context) {
  WEIR_TRY_ASSIGN(off, serve(context.program, "sqlite:" + context.path("telemetry-off.db"),
                             {"OTEL_SDK_DISABLED=true"}));
  WEIR_TRY_ASSIGN(
      on, serve(context.program, "sqlite:" + context.path("telemetry-on.db"),
                {"OTEL_TRACES_EXPORTER=console", "OTEL_TRACES_SAMPLER=parentbased_traceidratio",
                 "OTEL_TRACES_SAMPLER_ARG=0.1"}));
  WEIR_TRY_ASSIGN(store_off, weir::open("weir://" + off.target));
  WEIR_TRY_ASSIGN(store_on, weir::open("weir://" + on.target));
  return compare_appends(store_off, store_on, context);
}

}  // namespace

std::vector<Case> telemetry_cases() {
  return {
      {"recording a counter, of an atomic add", "ns", 1 / 5.0, counter},
      {"recording a histogram, of an atomic add", "ns", 1 / 10.0, histogram},
      {"store metrics on, of off: 64 outstanding, SQLite in-process", "events/s", 0.97, in_process},
      {"spans of statements wanted but nothing traced, of off: 64 outstanding, SQLite in-process",
       "events/s", 0.97, untraced},
      {"metrics and 10 % of the traces on, of off: session, 64 outstanding, SQLite", "events/s",
       0.97, served},
  };
}

}  // namespace weir::bench
