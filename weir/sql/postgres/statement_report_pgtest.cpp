#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tests/support/postgres_cluster.hpp>
#include <weir/sql/postgres/session.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::postgres {
namespace {

using telemetry::SpanData;

class Kept final : public telemetry::SpanProcessor {
 public:
  void on_end(std::unique_ptr<SpanData> span) override { spans.push_back(std::move(span)); }
  bool force_flush(std::chrono::nanoseconds) override { return true; }
  bool shut_down(std::chrono::nanoseconds) override { return true; }
  std::vector<std::unique_ptr<SpanData>> spans;
};

class Statements : public testing::Test {
 protected:
  std::unique_ptr<Session> connect(bool text) {
    static const std::string uri = testing_support::PostgresCluster::shared().new_database();
    return Session::connect({.uri = uri,
                             .reporting = {.telemetry = {.tracer = &provider_.tracer("test"),
                                                         .meter = registry_.get()},
                                           .text = text}},
                            system_clock(), {})
        .value();
  }
  static telemetry::Context traced() {
    return {.span = *telemetry::parse_traceparent(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
  }
  std::string attribute(const SpanData& span, const std::string& key) {
    for (const auto& [name, value] : span.attributes) {
      if (name != key) continue;
      const auto* text = std::get_if<std::string>(&value);
      return text != nullptr ? *text : std::to_string(std::get<std::int64_t>(value));
    }
    return "";
  }
  std::uint64_t counted(const std::string& operation, const std::string& error) {
    for (const auto& metric : registry_->collect()) {
      if (metric.spec.name != telemetry::metric::db_client_operation_duration.name) continue;
      for (const auto& point : metric.points) {
        if (point.labels[1] == operation && point.labels[2] == error) return point.histogram.count;
      }
    }
    return 0;
  }

  std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
  telemetry::SdkTracerProvider provider_{kept_, {}};
  std::unique_ptr<telemetry::MetricRegistry> registry_ =
      telemetry::MetricRegistry::create({}).value();
};

TEST_F(Statements, are_spans_of_what_is_traced_and_of_nothing_else) {
  const auto session = connect(false);
  ASSERT_TRUE(session->execute("SELECT 1"));
  EXPECT_TRUE(kept_->spans.empty());
  const telemetry::Scope scope(traced());
  ASSERT_TRUE(session->execute("SELECT 1"));
  ASSERT_EQ(kept_->spans.size(), 1u);
  const auto& span = *kept_->spans[0];
  EXPECT_THAT(span.name, testing::StartsWith("SELECT "));
  EXPECT_EQ(span.kind, telemetry::SpanKind::client);
  EXPECT_EQ(span.parent, traced().span.span_id);
  EXPECT_EQ(attribute(span, "db.system.name"), "postgresql");
  EXPECT_EQ(attribute(span, "db.query.text"), "");
}

TEST_F(Statements, name_their_table_when_they_have_one) {
  const auto session = connect(false);
  const telemetry::Scope scope(traced());
  ASSERT_TRUE(session->execute("SELECT relname FROM pg_catalog.pg_class LIMIT 1"));
  const Call calls[] = {{.text = "SELECT 1"}, {.text = "SELECT 2"}};
  ASSERT_TRUE(session->run(calls, {}));
  ASSERT_EQ(kept_->spans.size(), 2u);
  EXPECT_EQ(kept_->spans[0]->name, "SELECT pg_class");
  EXPECT_EQ(attribute(*kept_->spans[0], "db.collection.name"), "pg_class");
  EXPECT_THAT(kept_->spans[1]->name, testing::StartsWith("BATCH "));
  EXPECT_EQ(attribute(*kept_->spans[1], "db.operation.batch.size"), "2");
  EXPECT_NE(attribute(*kept_->spans[1], "server.port"), "");
}

TEST_F(Statements, have_their_text_only_when_asked_and_never_their_values) {
  const auto session = connect(true);
  const telemetry::Scope scope(traced());
  Params params;
  params.add(std::string_view("secret"));
  ASSERT_TRUE(session->execute("SELECT $1::text", params));
  EXPECT_EQ(attribute(*kept_->spans.at(0), "db.query.text"), "SELECT $1::text");
  for (const auto& [name, value] : kept_->spans.at(0)->attributes) {
    const auto* text = std::get_if<std::string>(&value);
    EXPECT_TRUE(text == nullptr || text->find("secret") == std::string::npos) << name;
  }
}

TEST_F(Statements, that_fail_say_why) {
  const auto session = connect(false);
  const telemetry::Scope scope(traced());
  EXPECT_FALSE(session->execute("SELECT 1/0"));
  EXPECT_EQ(attribute(*kept_->spans.at(0), "db.response.status_code"), "22012");
  EXPECT_EQ(kept_->spans.at(0)->status, telemetry::StatusCode::error);
}

TEST_F(Statements, are_counted_by_operation_and_outcome) {
  const auto session = connect(false);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(session->execute("select 1"));
  const Call calls[] = {{.text = "SELECT 1"}, {.text = "SELECT 2"}};
  ASSERT_TRUE(session->run(calls, {}));
  EXPECT_FALSE(session->execute("SELECT 1/0"));
  EXPECT_EQ(counted("SELECT", ""), 3u);
  EXPECT_EQ(counted("BATCH", ""), 1u);
  EXPECT_EQ(counted("SELECT", "INVALID_ARGUMENT") + counted("SELECT", "INTERNAL") +
                counted("SELECT", "UNKNOWN"),
            1u);
}

}  // namespace
}  // namespace weir::postgres
