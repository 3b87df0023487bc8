#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include <tests/support/places.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/prometheus/exposition.hpp>

namespace weir::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view prometheus_2_42 =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

std::unique_ptr<MetricRegistry> filled() {
  auto registry = MetricRegistry::create({}).value();
  registry->counter(metric::store_append_events).add(3, {"a\"b\\c\nd"});
  const auto span = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  registry->histogram(metric::rpc_server_call_duration)
      .bind({"grpc", "weir.v1.EventLog/Append", "OK", "OK", ""})
      .record(0.03, *span);
  return registry;
}

/// Every metric of the list, each with a value.
struct Everything {
  std::unique_ptr<MetricRegistry> registry = MetricRegistry::create({}).value();
  std::vector<std::unique_ptr<Observed>> observed;
};

Everything everything() {
  Everything made;
  auto& [registry, observed] = made;
  for (const auto* spec : metric::all()) {
    const std::vector<std::string_view> labels(spec->labels.size(), "x");
    if (spec->kind == MetricKind::histogram) {
      registry->histogram(*spec).bind(labels).record(1);
    } else if (spec->kind == MetricKind::counter) {
      registry->counter(*spec).bind(labels).add(1);
    } else {
      observed.push_back(
          registry->observe(*spec, [labels](Observer& to) { to.observe(1, labels); }));
    }
  }
  return made;
}

TEST(Exposition, is_chosen_by_accept) {
  EXPECT_EQ(choose_exposition(prometheus_2_42), ExpositionFormat::openmetrics_1_0_0);
  EXPECT_EQ(choose_exposition(""), ExpositionFormat::text_0_0_4);
  EXPECT_EQ(choose_exposition("*/*"), ExpositionFormat::text_0_0_4);
  EXPECT_EQ(choose_exposition("text/plain;version=0.0.4"), ExpositionFormat::text_0_0_4);
  EXPECT_EQ(choose_exposition("application/openmetrics-text;version=2.0.0"),
            ExpositionFormat::text_0_0_4);
  EXPECT_EQ(choose_exposition("text/plain;q=0.9, application/openmetrics-text;q=0.5"),
            ExpositionFormat::text_0_0_4);
}

TEST(Exposition, of_text_has_cumulative_buckets_and_escaped_labels) {
  const auto text = write_exposition(filled()->collect(), {}, ExpositionFormat::text_0_0_4);
  EXPECT_THAT(text, HasSubstr("# TYPE weir_store_append_events_total counter\n"
                              "weir_store_append_events_total"
                              "{weir_log_name=\"a\\\"b\\\\c\\nd\"} 3\n"));
  const std::string labels =
      "rpc_system_name=\"grpc\",rpc_method=\"weir.v1.EventLog/Append\","
      "rpc_status_code=\"OK\",rpc_response_status_code=\"OK\"";
  EXPECT_THAT(
      text, HasSubstr("rpc_server_call_duration_seconds_bucket{" + labels + ",le=\"0.025\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("rpc_server_call_duration_seconds_bucket{" + labels + ",le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rpc_server_call_duration_seconds_sum{" + labels + "} 0.03\n"));
  EXPECT_THAT(text, Not(HasSubstr("trace_id")));
  EXPECT_THAT(text, Not(HasSubstr("# EOF")));
}

TEST(Exposition, of_openmetrics_has_units_exemplars_and_an_end) {
  const auto text = write_exposition(filled()->collect(), {}, ExpositionFormat::openmetrics_1_0_0);
  EXPECT_THAT(text, HasSubstr("# TYPE weir_store_append_events counter\n"));
  EXPECT_THAT(text, HasSubstr("# UNIT rpc_server_call_duration_seconds seconds\n"));
  EXPECT_THAT(text, HasSubstr("le=\"0.05\"} 1 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\","
                              "span_id=\"b7ad6b7169203331\"} 0.03 "));
  EXPECT_THAT(text, testing::EndsWith("# EOF\n"));
}

TEST(Exposition, tells_who_reports) {
  Resource resource;
  resource.set("service.name", "lending");
  EXPECT_THAT(write_exposition({}, resource, ExpositionFormat::text_0_0_4),
              HasSubstr("target_info{service_name=\"lending\"} 1\n"));
}

TEST(Exposition, has_no_fault_that_promtool_finds) {
  const auto all = everything();
  auto metrics = all.registry->collect();
  // A gauge that the conventions themselves name so; promtool would keep "_count" for histograms.
  std::erase_if(metrics, [](const MetricSnapshot& metric) {
    return metric.spec.name == metric::db_client_connection_count.name;
  });
  const auto text = write_exposition(metrics, {}, ExpositionFormat::text_0_0_4);
  std::FILE* promtool = popen("promtool check metrics >&2", "w");
  ASSERT_NE(promtool, nullptr);
  std::fwrite(text.data(), 1, text.size(), promtool);
  EXPECT_EQ(pclose(promtool), 0) << text;
}

TEST(MetricsReference, is_what_the_list_says) {
  std::ifstream file(testing_support::source_file("docs/reference/metrics.md"));
  std::stringstream there;
  there << file.rdbuf();
  EXPECT_EQ(there.str(), metrics_reference()) << "run: tools/build release metrics_reference";
}

}  // namespace
}  // namespace weir::telemetry
