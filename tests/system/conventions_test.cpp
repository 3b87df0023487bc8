// What a server reports has the names, units, buckets and attributes of OpenTelemetry's semantic
// conventions: the lists here are theirs, not made from ours.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <tests/support/otlp_receiver.hpp>
#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/system/place.hpp>
#include <weir/gateway/testing/http_client.hpp>

namespace weir::system_tests {
namespace {

using gateway::testing::HttpClient;
using testing::HasSubstr;
using testing::IsSubsetOf;
using testing_support::attribute;
using testing_support::OtlpReceiver;
using testing_support::ServerProcess;

using Names = std::vector<std::string>;
using Metric = OtlpReceiver::Metric;

const std::vector<double> call_bounds = {.005, .01, .025, .05, .075, .1,  .25,
                                         .5,   .75, 1,    2.5, 5,    7.5, 10};
const std::vector<double> database_bounds = {.001, .005, .01, .05, .1, .5, 1, 5, 10};

enum class Shape { histogram, counter, up_down_counter };

struct Convention {
  std::string name;
  Shape shape;
  std::string unit;
  Names required;
  Names optional = {};
  std::vector<double> bounds = {};
};

const std::vector<Convention> of_calls = {
    {"rpc.server.call.duration",
     Shape::histogram,
     "s",
     {"rpc.system.name", "rpc.method", "rpc.status_code"},
     {"rpc.response.status_code", "error.type"},
     call_bounds},
    {"http.server.request.duration",
     Shape::histogram,
     "s",
     {"http.request.method", "url.scheme", "http.response.status_code"},
     {"http.route", "error.type"},
     call_bounds},
};

const std::string pool = "db.client.connection.pool.name";
const std::vector<Convention> of_databases = {
    {"db.client.operation.duration",
     Shape::histogram,
     "s",
     {"db.system.name", "db.operation.name"},
     {"error.type"},
     database_bounds},
    {"db.client.connection.count",
     Shape::up_down_counter,
     "{connection}",
     {pool, "db.client.connection.state"}},
    {"db.client.connection.idle.max", Shape::up_down_counter, "{connection}", {pool}},
    {"db.client.connection.idle.min", Shape::up_down_counter, "{connection}", {pool}},
    {"db.client.connection.max", Shape::up_down_counter, "{connection}", {pool}},
    {"db.client.connection.pending_requests", Shape::up_down_counter, "{request}", {pool}},
    {"db.client.connection.timeouts", Shape::counter, "{timeout}", {pool}},
    {"db.client.connection.create_time", Shape::histogram, "s", {pool}, {}, database_bounds},
    {"db.client.connection.wait_time", Shape::histogram, "s", {pool}, {}, database_bounds},
    {"db.client.connection.use_time", Shape::histogram, "s", {pool}, {}, database_bounds},
};

template <class Attributes>
Names keys_of(const Attributes& attributes) {
  Names keys;
  for (const auto& of : attributes) keys.push_back(of.key());
  return keys;
}

Shape shape_of(const Metric& metric) {
  if (metric.has_histogram()) return Shape::histogram;
  EXPECT_TRUE(metric.has_sum()) << metric.name();
  return metric.sum().is_monotonic() ? Shape::counter : Shape::up_down_counter;
}

void expect_keys(const Names& keys, const Convention& convention) {
  EXPECT_THAT(keys, testing::IsSupersetOf(convention.required)) << convention.name;
  auto known = convention.required;
  known.insert(known.end(), convention.optional.begin(), convention.optional.end());
  EXPECT_THAT(keys, IsSubsetOf(known)) << convention.name;
}

/// As Prometheus writes the names: rpc_server_call_duration_seconds.
std::string prometheus_name(const Convention& convention) {
  auto name = convention.name;
  std::replace(name.begin(), name.end(), '.', '_');
  if (convention.unit == "s") name += "_seconds";
  if (convention.shape == Shape::counter) name += "_total";
  return name;
}

void expect_kept(const Metric& metric, const Convention& convention) {
  EXPECT_EQ(metric.unit(), convention.unit) << convention.name;
  ASSERT_EQ(shape_of(metric), convention.shape) << convention.name;
  if (convention.shape != Shape::histogram) {
    ASSERT_GT(metric.sum().data_points_size(), 0) << convention.name;
    for (const auto& point : metric.sum().data_points()) {
      expect_keys(keys_of(point.attributes()), convention);
    }
    return;
  }
  ASSERT_GT(metric.histogram().data_points_size(), 0) << convention.name;
  for (const auto& point : metric.histogram().data_points()) {
    expect_keys(keys_of(point.attributes()), convention);
    EXPECT_THAT(point.explicit_bounds(), testing::ElementsAreArray(convention.bounds))
        << convention.name;
  }
}

void expect_kept(const std::string& page, const Convention& convention) {
  const auto name = prometheus_name(convention);
  const auto type = convention.shape == Shape::histogram ? "histogram"
                    : convention.shape == Shape::counter ? "counter"
                                                         : "gauge";
  EXPECT_THAT(page, HasSubstr(fmt::format("# TYPE {} {}\n", name, type)));
  for (auto label : convention.required) {
    std::replace(label.begin(), label.end(), '.', '_');
    const auto at =
        page.find(fmt::format("\n{}{}{{", name, convention.bounds.empty() ? "" : "_sum"));
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_THAT(page.substr(at + 1, page.find('\n', at + 1) - at), HasSubstr(label + "=\""));
  }
  for (const double bound : convention.bounds) {
    const auto le = fmt::format("le=\"{}{}\"", bound, bound == static_cast<int>(bound) ? ".0" : "");
    EXPECT_THAT(page, HasSubstr(le)) << name;
  }
}

class Conventions : public testing::TestWithParam<Engine> {
 protected:
  Conventions() : place_(GetParam().make()) {}

  bool on_postgres() const { return GetParam().name.find("postgres") != std::string::npos; }
  /// Calls of all kinds, some of them in vain.
  void use() {
    const auto log = server_.connect();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(log->append({.events = {event("Lent").json("{}")}}));
    ASSERT_TRUE(log->read({}).collect());
    HttpClient http(server_.http_port());
    EXPECT_EQ(http.post("/v1/logs/default/events", R"({"events":[{"type":"Lent","data":{}}]})",
                        "Content-Type: application/json\r\n")
                  .status,
              200);
    EXPECT_EQ(http.get("/v1/logs/none/head").status, 404);
  }
  std::optional<Metric> metric(const std::string& name) const {
    std::optional<Metric> last;
    for (const auto& metric : receiver_.metrics()) {
      if (metric.name() == name) last = metric;
    }
    return last;
  }
  std::vector<Convention> conventions() const {
    auto all = of_calls;
    if (on_postgres()) all.insert(all.end(), of_databases.begin(), of_databases.end());
    return all;
  }

  OtlpReceiver receiver_;
  std::unique_ptr<Place> place_;
  ServerProcess server_{
      {.program = testing_support::built_program(),
       .store = place_->uri(),
       .environment = {"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver_.http_endpoint(),
                       "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_METRIC_EXPORT_INTERVAL=50"}}};
};

INSTANTIATE_TEST_SUITE_P(On, Conventions, testing::ValuesIn(engines()), engine_name);

TEST_P(Conventions, of_metrics_are_kept_by_otlp) {
  use();
  for (const auto& convention : conventions()) {
    ASSERT_TRUE(gateway::testing::eventually([&] { return metric(convention.name).has_value(); }))
        << convention.name;
    expect_kept(*metric(convention.name), convention);
  }
}

TEST_P(Conventions, of_metrics_are_kept_by_prometheus) {
  use();
  const auto page = HttpClient(server_.http_port()).get("/metrics").body;
  for (const auto& convention : conventions()) expect_kept(page, convention);
}

TEST_P(Conventions, of_database_spans_are_kept) {
  use();
  ASSERT_TRUE(receiver_.wait_for("weir.v1.EventLog/Read"));
  ASSERT_TRUE(receiver_.wait_for("append default", 4));
  std::size_t found = 0;
  std::set<std::string> stores;
  for (const auto& [span, service, scope] : receiver_.spans()) {
    if (span.name() == "append default" || span.name() == "read default") {
      stores.insert(span.span_id());
    }
  }
  for (const auto& [span, service, scope] : receiver_.spans()) {
    const auto system = attribute(span, "db.system.name");
    if (!system || !stores.contains(span.parent_span_id())) continue;
    ++found;
    EXPECT_EQ(*system, on_postgres() ? "postgresql" : "sqlite");
    EXPECT_EQ(span.kind(), OtlpReceiver::Span::SPAN_KIND_CLIENT) << span.name();
    const auto operation = attribute(span, "db.operation.name");
    const auto target = attribute(span, "db.collection.name")
                            .value_or(attribute(span, "db.namespace").value_or(""));
    ASSERT_TRUE(operation) << span.name();
    EXPECT_EQ(span.name(), *operation + " " + target);
    EXPECT_THAT(
        keys_of(span.attributes()),
        IsSubsetOf({"db.system.name", "db.namespace", "db.operation.name", "db.collection.name",
                    "db.operation.batch.size", "server.address", "server.port"}))
        << span.name();
    EXPECT_EQ(attribute(span, "server.address").has_value(), on_postgres()) << span.name();
    EXPECT_EQ(attribute(span, "server.port").has_value(), on_postgres()) << span.name();
  }
  EXPECT_GE(found, on_postgres() ? 4u : 16u);
}

TEST_P(Conventions, of_server_spans_are_kept) {
  use();
  ASSERT_TRUE(receiver_.wait_for("weir.v1.EventLog/Read"));
  ASSERT_TRUE(receiver_.wait_for("POST /v1/logs/{log}/events"));
  for (const auto& [span, service, scope] : receiver_.spans()) {
    if (span.name() == "weir.v1.EventLog/Read") {
      EXPECT_EQ(span.kind(), OtlpReceiver::Span::SPAN_KIND_SERVER);
      EXPECT_EQ(attribute(span, "rpc.system.name"), "grpc");
      EXPECT_EQ(attribute(span, "rpc.method"), "weir.v1.EventLog/Read");
      EXPECT_EQ(attribute(span, "rpc.status_code"), "OK");
    }
    if (span.name() == "POST /v1/logs/{log}/events") {
      EXPECT_EQ(span.kind(), OtlpReceiver::Span::SPAN_KIND_SERVER);
      EXPECT_EQ(attribute(span, "http.request.method"), "POST");
      EXPECT_EQ(attribute(span, "url.scheme"), "http");
      EXPECT_EQ(attribute(span, "url.path"), "/v1/logs/default/events");
      EXPECT_EQ(attribute(span, "http.route"), "/v1/logs/{log}/events");
      EXPECT_EQ(attribute(span, "http.response.status_code"), "200");
    }
  }
}

}  // namespace
}  // namespace weir::system_tests
