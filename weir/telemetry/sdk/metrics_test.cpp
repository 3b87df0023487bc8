#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/sdk/environment.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>
#include <weir/telemetry/sdk/periodic_reader.hpp>

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view labels[] = {"route"};
constexpr double bounds[] = {0.1, 1};
constexpr MetricSpec requests{"requests", MetricKind::counter, "{request}", "Requests", labels};
constexpr MetricSpec duration{"duration", MetricKind::histogram, "s", "How long", labels, bounds};
constexpr MetricSpec depth{"depth", MetricKind::gauge, "{item}", "How many"};

MetricSnapshot find(MetricRegistry& registry, std::string_view name) {
  for (auto& metric : registry.collect()) {
    if (metric.spec.name == name) return metric;
  }
  return {};
}

TEST(Registry, counts_exactly_from_many_threads) {
  const auto registry = MetricRegistry::create({}).value();
  const auto counter = registry->counter(requests).bind({"/a"});
  const auto histogram = registry->histogram(duration).bind({"/a"});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) {
          counter.add();
          histogram.record(0.5);
        }
      });
    }
  }
  EXPECT_EQ(std::get<std::int64_t>(find(*registry, "requests").points.at(0).value), 80'000);
  const auto totals = find(*registry, "duration").points.at(0).histogram;
  EXPECT_EQ(totals.count, 80'000);
  EXPECT_DOUBLE_EQ(totals.sum, 40'000);
}

TEST(Registry, puts_a_value_equal_to_a_bound_below_it) {
  const auto registry = MetricRegistry::create({}).value();
  const auto histogram = registry->histogram(duration).bind({""});
  for (const double value : {0.05, 0.1, 0.10001, 1.0, 2.0}) histogram.record(value);
  EXPECT_THAT(find(*registry, "duration").points.at(0).histogram.counts,
              testing::ElementsAre(2, 2, 1));
}

TEST(Registry, keeps_so_many_series_and_then_one_for_the_rest) {
  const auto registry = MetricRegistry::create({.series_max = 3}).value();
  const auto counter = registry->counter(requests);
  for (int i = 0; i < 10; ++i) counter.add(1, {std::to_string(i)});
  counter.add(5, {"0"});
  const auto snapshot = find(*registry, "requests");
  ASSERT_EQ(snapshot.points.size(), 4);
  EXPECT_TRUE(snapshot.points.back().overflow);
  EXPECT_EQ(std::get<std::int64_t>(snapshot.points.back().value), 7);
  const auto refused = find(*registry, "weir.telemetry.metric.overflows");
  EXPECT_EQ(std::get<double>(refused.points.at(0).value), 7);
}

TEST(Registry, asks_observers_until_they_are_gone) {
  const auto registry = MetricRegistry::create({}).value();
  auto observed = registry->observe(depth, [](Observer& to) { to.observe(7, {}); });
  EXPECT_EQ(std::get<double>(find(*registry, "depth").points.at(0).value), 7);
  observed.reset();
  EXPECT_TRUE(find(*registry, "depth").points.empty());
}

TEST(Registry, keeps_exemplars_of_sampled_traces_only) {
  const auto registry = MetricRegistry::create({}).value();
  const auto histogram = registry->histogram(duration).bind({""});
  auto span = *parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  {
    const Scope scope(Context{.span = span});
    histogram.record(0.05);
  }
  span.sampled = false;
  histogram.record(0.5, span);
  const auto totals = find(*registry, "duration").points.at(0).histogram;
  ASSERT_TRUE(totals.exemplars.at(0));
  EXPECT_EQ(totals.exemplars[0]->trace_id, span.trace_id);
  EXPECT_EQ(totals.exemplars[0]->value, 0.05);
  EXPECT_FALSE(totals.exemplars.at(1));
}

class Counting final : public MetricExporter {
 public:
  struct State {
    std::mutex mutex;
    int exports = 0;
    Result<void> answer;
  };
  explicit Counting(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Result<void> export_metrics(const std::vector<MetricSnapshot>&, Timestamp, Instant,
                              std::stop_token) override {
    const std::lock_guard lock(state_->mutex);
    ++state_->exports;
    return state_->answer;
  }

 private:
  const std::shared_ptr<State> state_;
};

TEST(PeriodicReader, exports_when_flushed_and_once_more_at_the_end) {
  const auto registry = MetricRegistry::create({}).value();
  const auto state = std::make_shared<Counting::State>();
  auto reader = PeriodicReader::create(*registry, std::make_unique<Counting>(state), {.every = 1h},
                                       system_clock())
                    .value();
  EXPECT_TRUE(reader->force_flush(30s));
  EXPECT_EQ(state->exports, 1);
  state->answer = unavailable("down");
  EXPECT_FALSE(reader->force_flush(30s));
  EXPECT_TRUE(reader->shut_down(30s));
  EXPECT_EQ(state->exports, 3);
}

TEST(PeriodicReader, names_a_bad_option) {
  const auto registry = MetricRegistry::create({}).value();
  const auto made = PeriodicReader::create(
      *registry, std::make_unique<Counting>(std::make_shared<Counting::State>()), {.every = 1ms},
      system_clock());
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, testing::HasSubstr("every"));
}

Result<TelemetrySettings> read(std::map<std::string, std::string> variables) {
  return read_environment([&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Environment, exports_nothing_when_nothing_is_set) {
  const auto settings = read({}).value();
  EXPECT_FALSE(settings.disabled);
  EXPECT_EQ(settings.traces, ExporterKind::none);
  EXPECT_EQ(settings.metrics, ExporterKind::none);
  EXPECT_EQ(settings.sampler.description(), "ParentBased{AlwaysOn}");
  EXPECT_THAT(settings.resource.attributes,
              testing::ElementsAre(OwnedAttribute{"service.name", std::string("weir")}));
}

TEST(Environment, is_read_as_opentelemetry_defines_it) {
  const auto settings = read({{"OTEL_SERVICE_NAME", "lending"},
                              {"OTEL_RESOURCE_ATTRIBUTES", "service.name=x,team=a%20b"},
                              {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"},
                              {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                              {"OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=s%3D1,b=2"},
                              {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"},
                              {"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"},
                              {"OTEL_TRACES_SAMPLER_ARG", "0.25"},
                              {"OTEL_METRICS_EXPORTER", "none"},
                              {"OTEL_SDK_DISABLED", "TRUE"}})
                            .value();
  EXPECT_TRUE(settings.disabled);
  EXPECT_EQ(std::get<std::string>(settings.resource.attributes[0].value), "lending");
  EXPECT_EQ(std::get<std::string>(settings.resource.attributes[1].value), "a b");
  EXPECT_EQ(settings.otlp.protocol, OtlpSettings::Protocol::grpc);
  EXPECT_EQ(settings.otlp.endpoint, "https://collector:4317");
  EXPECT_EQ(settings.otlp.headers[0], (std::pair<std::string, std::string>("api-key", "s=1")));
  EXPECT_EQ(settings.otlp.timeout, 2500ms);
  EXPECT_EQ(settings.traces, ExporterKind::otlp);
  EXPECT_EQ(settings.metrics, ExporterKind::none);
  EXPECT_EQ(settings.sampler.description(), "ParentBased{TraceIdRatioBased{0.25}}");
}

TEST(Environment, has_no_headers_that_grpc_does_not_take) {
  const auto settings =
      read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, {"OTEL_EXPORTER_OTLP_HEADERS", "api$key=1"}});
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().message, testing::EndsWith("gRPC has no header 'api$key'"));
}

TEST(Environment, names_the_variable_that_is_wrong) {
  const std::pair<const char*, const char*> bad[] = {
      {"OTEL_SDK_DISABLED", "yes"},
      {"OTEL_RESOURCE_ATTRIBUTES", "novalue"},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://x:1"},
      {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
      {"OTEL_EXPORTER_OTLP_HEADERS", "a b=1"},
      {"OTEL_EXPORTER_OTLP_HEADERS", "a=J%C3%BCrgen"},
      {"OTEL_EXPORTER_OTLP_HEADERS", "a=1%0D%0Ab: 2"},
      {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
      {"OTEL_TRACES_SAMPLER", "sometimes"},
      {"OTEL_TRACES_EXPORTER", "zipkin"},
      {"OTEL_BSP_MAX_QUEUE_SIZE", "0"},
      {"OTEL_METRIC_EXPORT_INTERVAL", "1"}};
  for (const auto& [name, value] : bad) {
    const auto settings = read({{name, value}});
    ASSERT_FALSE(settings) << name;
    EXPECT_EQ(settings.error().code, Code::invalid_argument);
    EXPECT_THAT(settings.error().message, testing::StartsWith(name));
  }
  const auto ratio =
      read({{"OTEL_TRACES_SAMPLER", "traceidratio"}, {"OTEL_TRACES_SAMPLER_ARG", "1.5"}});
  ASSERT_FALSE(ratio);
  EXPECT_THAT(ratio.error().message, testing::StartsWith("OTEL_TRACES_SAMPLER_ARG"));
}

}  // namespace
}  // namespace weir::telemetry
