#include <gmock/gmock.h>

#include <csignal>
#include <map>
#include <set>

#include <fmt/format.h>

#include <tests/support/otlp_receiver.hpp>
#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/support/temporary_folder.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/otlp/exporter.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::system_tests {
namespace {

using namespace std::chrono_literals;
using gateway::testing::HttpClient;
using testing::HasSubstr;
using testing_support::attribute;
using testing_support::OtlpReceiver;
using testing_support::ServerProcess;
using Protocol = telemetry::OtlpSettings::Protocol;

/// A server that reports to a receiver of the test's.
class Telemetry : public testing::TestWithParam<Protocol> {
 protected:
  std::string endpoint() const {
    return GetParam() == Protocol::grpc ? receiver_.grpc_endpoint() : receiver_.http_endpoint();
  }
  ServerProcess::Options options(std::vector<std::string> more = {}) const {
    std::vector<std::string> environment = {
        "OTEL_SERVICE_NAME=server", "OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint(),
        std::string("OTEL_EXPORTER_OTLP_PROTOCOL=") +
            (GetParam() == Protocol::grpc ? "grpc" : "http/protobuf"),
        "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_METRIC_EXPORT_INTERVAL=50"};
    environment.insert(environment.end(), more.begin(), more.end());
    return {.program = testing_support::built_program(),
            .store = "sqlite:" + folder_.file("log.db"),
            .environment = std::move(environment)};
  }
  const OtlpReceiver::Span* find(const std::vector<OtlpReceiver::ReceivedSpan>& spans,
                                 const std::string& name) const {
    for (const auto& received : spans) {
      if (received.span.name() == name) return &received.span;
    }
    return nullptr;
  }
  static double metric(const std::string& page, const std::string& series) {
    const auto at = page.find("\n" + series + " ");
    if (at == std::string::npos) return 0;
    return std::stod(page.substr(at + series.size() + 2));
  }

  OtlpReceiver receiver_;
  testing_support::TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Over, Telemetry, testing::Values(Protocol::grpc, Protocol::http_protobuf),
                         [](const auto& of) {
                           return of.param == Protocol::grpc ? "grpc" : "http";
                         });

TEST_P(Telemetry, of_a_client_and_a_server_is_one_trace_correctly_parented) {
  telemetry::Resource resource;
  resource.set("service.name", "client");
  auto exporter = telemetry::make_otlp_span_exporter(
                      {.endpoint = endpoint(), .protocol = GetParam()}, resource, system_clock())
                      .value();
  const std::shared_ptr<telemetry::BatchSpanProcessor> processor =
      telemetry::BatchSpanProcessor::create(std::move(exporter), {}, telemetry::no_meter(),
                                            system_clock())
          .value();
  telemetry::SdkTracerProvider provider(processor, {});
  ServerProcess server(options());
  const auto log = server.connect();
  telemetry::SpanContext client;
  {
    auto span =
        provider.tracer("test").start_span("lend", {}, {.kind = telemetry::SpanKind::client});
    client = span.span_context();
    const telemetry::Scope scope(span.context());
    ASSERT_TRUE(log->append({.events = {event("Lent").json("{}")}}));
    ASSERT_TRUE(log->read({}).collect());
  }
  ASSERT_TRUE(processor->shut_down(30s));
  ASSERT_TRUE(receiver_.wait_for("append default"));
  ASSERT_TRUE(receiver_.wait_for("weir.v1.EventLog/Read"));

  const std::string trace(reinterpret_cast<const char*>(client.trace_id.bytes.data()), 16);
  const std::string parent(reinterpret_cast<const char*>(client.span_id.bytes.data()), 8);
  const auto spans = receiver_.spans();
  const auto* of_client = find(spans, "lend");
  const auto* request = find(spans, "session append");
  const auto* store = find(spans, "append default");
  const auto* read = find(spans, "weir.v1.EventLog/Read");
  ASSERT_TRUE(of_client && request && store && read);
  EXPECT_EQ(request->trace_id(), trace);
  EXPECT_EQ(request->parent_span_id(), parent);
  EXPECT_EQ(request->kind(), OtlpReceiver::Span::SPAN_KIND_SERVER);
  EXPECT_EQ(request->flags() & 0x300u, 0x300u) << "its parent is remote";
  EXPECT_EQ(store->parent_span_id(), request->span_id());
  EXPECT_EQ(read->parent_span_id(), parent);
  std::vector<std::string> statements;
  for (const auto& [span, service, scope] : spans) {
    if (span.parent_span_id() == store->span_id()) statements.push_back(span.name());
  }
  EXPECT_THAT(statements, testing::IsSupersetOf(
                              {"BEGIN log.db", "SELECT event", "INSERT event", "COMMIT log.db"}));
  EXPECT_EQ(attribute(*read, "rpc.status_code"), "OK");
  EXPECT_EQ(attribute(*read, "rpc.response.status_code"), "OK");
  std::set<std::string> ids;
  for (const auto& [span, service, scope] : spans) {
    EXPECT_EQ(span.trace_id().size(), 16) << span.name();
    EXPECT_EQ(span.span_id().size(), 8) << span.name();
    EXPECT_TRUE(ids.insert(span.span_id()).second) << span.name();
    EXPECT_LE(span.start_time_unix_nano(), span.end_time_unix_nano()) << span.name();
    EXPECT_EQ(service, span.name() == "lend" ? "client" : "server");
    if (span.trace_id() != trace) continue;
    EXPECT_GE(span.start_time_unix_nano() + 1'000'000, of_client->start_time_unix_nano());
  }
}

TEST_P(Telemetry, of_what_its_caller_does_not_record_is_not_recorded) {
  ServerProcess server(options());
  HttpClient http(server.http_port());
  const auto append = [&](const std::string& flags) {
    const auto answer =
        http.post("/v1/logs/default/events", R"({"events":[{"type":"Lent","data":{}}]})",
                  "Content-Type: application/json\r\n"
                  "traceparent: 00-0af7651916cd43dd8448eb211c8031" +
                      flags + "-b7ad6b7169203331-" + flags + "\r\n");
    ASSERT_EQ(answer.status, 200) << answer.body;
  };
  append("00");
  append("01");
  ASSERT_TRUE(receiver_.wait_for("POST /v1/logs/{log}/events"));
  ASSERT_TRUE(receiver_.wait_for("COMMIT log.db"));
  for (const auto& received : receiver_.spans()) {
    EXPECT_EQ(received.span.trace_id().back(), 1) << received.span.name();
  }
}

TEST_P(Telemetry, of_a_request_over_http_reaches_its_events) {
  ServerProcess server(options());
  HttpClient http(server.http_port());
  const auto answer = http.post("/v1/logs/default/events",
                                R"({"events":[{"type":"Lent","data":{},"metadata":{"a":"b"}}]})",
                                "Content-Type: application/json\r\n"
                                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
                                "01\r\nX-Correlation-Id: order-7\r\ncausation-id: event-3\r\n");
  ASSERT_EQ(answer.status, 200) << answer.body;
  ASSERT_TRUE(receiver_.wait_for("POST /v1/logs/{log}/events"));
  ASSERT_TRUE(receiver_.wait_for("weir.v1.EventLog/Append"));
  const auto spans = receiver_.spans();
  const auto* outer = find(spans, "POST /v1/logs/{log}/events");
  const auto* call = find(spans, "weir.v1.EventLog/Append");
  ASSERT_TRUE(outer && call);
  EXPECT_EQ(outer->parent_span_id(), "\xb7\xad\x6b\x71\x69\x20\x33\x31");
  EXPECT_EQ(call->parent_span_id(), outer->span_id());
  EXPECT_EQ(attribute(*outer, "http.response.status_code"), "200");
  const auto known = server.connect()->read({}).collect();
  ASSERT_TRUE(known);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : known->events.at(0).metadata) metadata[key] = value;
  EXPECT_EQ(metadata["a"], "b");
  EXPECT_EQ(metadata["correlation-id"], "order-7");
  EXPECT_EQ(metadata["causation-id"], "event-3");
  EXPECT_THAT(metadata["traceparent"], testing::StartsWith("00-0af7651916cd43dd8448eb211c80319c-"));
}

TEST_P(Telemetry, exports_its_metrics) {
  ServerProcess server(options());
  const auto log = server.connect();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(log->append({.events = {event("Lent").json("{}")}}));
  EXPECT_TRUE(gateway::testing::eventually([&] {
    for (const auto& metric : receiver_.metrics()) {
      if (metric.name() == "weir.store.append.events") {
        return metric.sum().data_points(0).as_int() == 3;
      }
    }
    return false;
  }));
}

/// What is appended while the receiver misbehaves: all of it, and the server stops in time.
class Misbehaving : public Telemetry {
 protected:
  void append_and_stop(ServerProcess& server, const std::string& error) {
    const auto log = server.connect();
    constexpr int appends = 2000;
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < appends; ++i) {
      ASSERT_TRUE(log->append({.events = {event("Lent").json("{}")}}));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 60s);
    std::string page;
    const std::string dropped =
        "otel_sdk_processor_span_processed_total{error_type=\"queue_full\"}";
    const std::string failed =
        fmt::format("otel_sdk_exporter_span_exported_total{{error_type=\"{}\"}}", error);
    EXPECT_TRUE(gateway::testing::eventually([&] {
      page = HttpClient(server.http_port()).get("/metrics").body;
      return metric(page, dropped) + metric(page, failed) > 0;
    })) << page;
    EXPECT_EQ(metric(page, "weir_store_append_events_total{weir_log_name=\"default\"}"), appends);
    server.signal(SIGTERM);
    const auto stopped = std::chrono::steady_clock::now();
    EXPECT_EQ(server.wait(30s), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - stopped, 10s);
  }
};

INSTANTIATE_TEST_SUITE_P(Over, Misbehaving,
                         testing::Values(Protocol::grpc, Protocol::http_protobuf),
                         [](const auto& of) {
                           return of.param == Protocol::grpc ? "grpc" : "http";
                         });

TEST_P(Misbehaving, receiver_that_is_down_costs_spans_that_are_counted) {
  const auto given = options({"OTEL_BSP_EXPORT_TIMEOUT=200"});
  receiver_.stop();
  ServerProcess server(given);
  append_and_stop(server, "UNAVAILABLE");
}

TEST_P(Misbehaving, receiver_that_never_answers_costs_spans_that_are_counted) {
  receiver_.be(OtlpReceiver::Mood::never_answers);
  ServerProcess server(options());
  append_and_stop(server, "DEADLINE_EXCEEDED");
}

TEST_P(Misbehaving, receiver_that_refuses_costs_spans_that_are_counted) {
  receiver_.be(OtlpReceiver::Mood::refuses);
  ServerProcess server(options());
  append_and_stop(server, "INVALID_ARGUMENT");
}

}  // namespace
}  // namespace weir::system_tests
