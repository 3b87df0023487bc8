#include <gmock/gmock.h>

#include <tests/support/fake_backend.hpp>
#include <tests/support/one_log_catalog.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/kept_spans_for_tests.hpp>
#include <weir/server/resilience_reports.hpp>
#include <weir/server/service.hpp>
#include <weir/server/store_reports.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/resilient/shield.hpp>
#include <weir/telemetry/prometheus/exposition.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using gateway::testing::HttpClient;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing_support::FakeBackend;
using testing_support::OneLogCatalog;

resilient::ShieldOptions quick() {
  resilient::ShieldOptions options;
  options.read.retry = {
      .attempts_max = 2, .delay = 1ms, .delay_max = 1ms, .jitter = resilience::Jitter::none};
  options.read.circuit_breaker = {.calls_min = 4, .open_for = 1h};
  options.write = options.read;
  return options;
}

/// A log whose backend fails as told, behind a shield.
struct ShieldedLog {
  ShieldedLog(resilient::ShieldOptions options, StoreObserver* observer)
      : shield(resilient::Shield::create(std::move(options)).value()) {
    auto backend = std::make_unique<FakeBackend>();
    fake = backend.get();
    engine::LogEngineOptions engine;
    engine.committer.observer = observer;
    engine.around = [this](std::unique_ptr<engine::Backend> bare) {
      return shield->around(std::move(bare));
    };
    log = std::make_shared<engine::Log>(
        std::move(backend), std::make_shared<engine::Tail>(engine::Tail::Options{}),
        engine::TermHasher(1, {}), std::make_shared<engine::Threads>(), system_clock(), engine);
  }

  std::shared_ptr<resilient::Shield> shield;
  FakeBackend* fake = nullptr;
  std::shared_ptr<engine::Log> log;
};

TEST(ShieldedServer, tells_its_clients_by_grpc_and_http_when_to_come_again) {
  auto reporting = Reporting::create({}).value();
  auto options = quick();
  options.listener = reporting->resilience_listener();
  ShieldedLog store(std::move(options), reporting->store_observer());
  auto service = Service::start(std::make_shared<OneLogCatalog>(store.log),
                                {.grpc = {.grpc_address = "127.0.0.1:0"},
                                 .http = {.address = "127.0.0.1:0"},
                                 .reporting = reporting,
                                 .shield = store.shield})
                     .value();
  const auto client = remote::connect({.target = service->grpc_address()}).value();
  const auto log = client->open("default").value();
  store.fake->set_down(true);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(log->head());
    EXPECT_FALSE(log->append({.events = {{.type = "T", .data = "{}"}}}));
  }

  const auto head = log->head();
  const auto append = log->append({.events = {{.type = "T", .data = "{}"}}});
  for (const auto& error : {head.error(), append.error()}) {
    EXPECT_EQ(error.code, Code::unavailable);
    EXPECT_EQ(error.reason, Reason::circuit_open);
    ASSERT_TRUE(error.retry_after);
    EXPECT_GT(*error.retry_after, 50min);
    EXPECT_LE(*error.retry_after, 1h);
  }
  EXPECT_EQ(append.error().details.at("recorded"), "no");

  const auto address = service->http_address();
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  const auto answer = HttpClient(port).get("/v1/logs/default/head");
  EXPECT_EQ(answer.status, 503);
  EXPECT_GT(std::stoi(answer.headers.at("retry-after")), 3000);
  EXPECT_THAT(answer.body, HasSubstr("CIRCUIT_OPEN"));

  const auto metrics = HttpClient(port).get("/metrics").body;
  EXPECT_THAT(metrics,
              HasSubstr("weir_resilience_circuit_state{weir_pipeline_name=\"store.read\"} 1"));
  EXPECT_THAT(metrics,
              HasSubstr("weir_resilience_events_total{weir_pipeline_name=\"store.write\","
                        "weir_strategy_name=\"circuit_breaker\",weir_event_name=\"opened\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("weir_event_name=\"rejected\""));
  EXPECT_THAT(metrics, HasSubstr("weir_event_name=\"retried\""));
  service->shut_down(1s);
}

/// Of what lies under the operations of a request.
std::vector<std::string> names_under(std::string_view operation, const telemetry::Span& request,
                                     const KeptSpans& kept) {
  std::vector<std::string> names;
  for (const auto* span : kept.children_of(request.span_context())) {
    EXPECT_TRUE(span->name.starts_with(operation)) << span->name;
    for (const auto* under : kept.children_of(span->context)) names.push_back(under->name);
  }
  return names;
}

TEST(ResilienceReports, are_spans_under_the_work_that_they_happened_in) {
  auto registry = telemetry::MetricRegistry::create({}).value();
  const auto kept = std::make_shared<KeptSpans>();
  telemetry::SdkTracerProvider provider(kept, {});
  const telemetry::Telemetry telemetry{.tracer = &provider.tracer("test"), .meter = registry.get()};
  StoreReports observer(telemetry);
  auto options = quick();
  options.listener = std::make_shared<ResilienceReports>(telemetry);
  ShieldedLog store(std::move(options), &observer);
  store.fake->set_down(true);

  auto reading = telemetry.tracer->start_span("reading");
  EXPECT_FALSE(store.log->read_step(ReadRequest{.call = {.context = reading.context()}}));
  EXPECT_THAT(names_under("read", reading, *kept), Contains("retried store.read"));

  auto appending = telemetry.tracer->start_span("appending");
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(store.log->append(
        {.events = {{.type = "T", .data = "{}"}}, .call = {.context = appending.context()}}));
  }
  const auto under = names_under("append", appending, *kept);
  EXPECT_THAT(under, Contains("retried store.write"));
  EXPECT_THAT(under, Contains("opened store.write"));

  const auto text =
      telemetry::write_exposition(registry->collect(), {}, telemetry::ExpositionFormat::text_0_0_4);
  EXPECT_THAT(text, HasSubstr("weir_strategy_name=\"retry\",weir_event_name=\"retried\"} 1"));
}

}  // namespace
}  // namespace weir::server
