#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/sql/sqlite/session.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::sqlite {
namespace {

using telemetry::SpanData;
using testing::ElementsAre;

class Kept final : public telemetry::SpanProcessor {
 public:
  void on_end(std::unique_ptr<SpanData> span) override { spans.push_back(std::move(span)); }
  bool force_flush(std::chrono::nanoseconds) override { return true; }
  bool shut_down(std::chrono::nanoseconds) override { return true; }
  std::vector<std::unique_ptr<SpanData>> spans;
};

std::string attribute(const SpanData& span, const std::string& key) {
  for (const auto& [name, value] : span.attributes) {
    if (name != key) continue;
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr ? *text : std::to_string(std::get<std::int64_t>(value));
  }
  return "";
}

class Statements : public testing::Test {
 protected:
  Session open(bool text = false) {
    return Session::open(
               {.path = ":memory:",
                .create = true,
                .reporting = {.telemetry = {.tracer = &provider_.tracer("test")}, .text = text}})
        .value();
  }
  static telemetry::Context traced(const char* span = "b7ad6b7169203331") {
    return {.span = *telemetry::parse_traceparent(
                std::string("00-0af7651916cd43dd8448eb211c80319c-") + span + "-01")};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& span : kept_->spans) names.push_back(span->name);
    return names;
  }
  static void insert(Session& session, int rows) {
    auto statement = session.prepare("INSERT INTO event VALUES (?)").value();
    for (int i = 0; i < rows; ++i) {
      statement.bind(1, i);
      ASSERT_TRUE(statement.run());
    }
  }

  std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
  telemetry::SdkTracerProvider provider_{kept_, {}};
};

TEST_F(Statements, are_spans_of_what_is_traced_and_of_nothing_else) {
  auto session = open();
  ASSERT_TRUE(session.execute("CREATE TABLE event (position)"));
  EXPECT_THAT(names(), testing::IsEmpty());
  const telemetry::Scope scope(traced());
  ASSERT_TRUE(session.query_integer("SELECT count(*) FROM event"));
  ASSERT_THAT(names(), ElementsAre("SELECT event"));
  const auto& span = *kept_->spans[0];
  EXPECT_EQ(span.kind, telemetry::SpanKind::client);
  EXPECT_EQ(span.parent, traced().span.span_id);
  EXPECT_EQ(attribute(span, "db.system.name"), "sqlite");
  EXPECT_EQ(attribute(span, "db.namespace"), ":memory:");
  EXPECT_EQ(attribute(span, "db.operation.name"), "SELECT");
  EXPECT_EQ(attribute(span, "db.collection.name"), "event");
  EXPECT_EQ(attribute(span, "db.query.text"), "");
  EXPECT_EQ(attribute(span, "db.operation.batch.size"), "") << "of one there is none";
}

TEST_F(Statements, have_their_text_only_when_asked_and_never_their_values) {
  auto session = open(true);
  const telemetry::Scope scope(traced());
  auto statement = session.prepare("SELECT ?").value();
  statement.bind_text(1, "secret");
  ASSERT_TRUE(statement.step());
  statement.reset();
  EXPECT_EQ(attribute(*kept_->spans.at(0), "db.query.text"), "SELECT ?");
  for (const auto& [name, value] : kept_->spans.at(0)->attributes) {
    const auto* text = std::get_if<std::string>(&value);
    EXPECT_TRUE(text == nullptr || text->find("secret") == std::string::npos) << name;
  }
}

TEST_F(Statements, that_run_often_in_a_transaction_are_one_span) {
  auto session = open();
  ASSERT_TRUE(session.execute("CREATE TABLE event (position)"));
  const telemetry::Scope scope(traced());
  ASSERT_TRUE(session.execute("BEGIN"));
  insert(session, 10'000);
  EXPECT_THAT(names(), testing::IsEmpty()) << "they are handed over when it ends";
  ASSERT_TRUE(session.execute("COMMIT"));
  ASSERT_THAT(names(), ElementsAre("BEGIN :memory:", "INSERT event", "COMMIT :memory:"));
  const auto& [begin, insert, commit] =
      std::tie(*kept_->spans[0], *kept_->spans[1], *kept_->spans[2]);
  EXPECT_EQ(attribute(insert, "db.operation.batch.size"), "10000");
  EXPECT_LE(begin.end, insert.start);
  EXPECT_LT(insert.start, insert.end);
  EXPECT_LE(insert.end, commit.start) << "it ended before the transaction did";
}

TEST_F(Statements, that_give_rows_are_spans_until_they_are_reset) {
  auto session = open();
  ASSERT_TRUE(session.execute("CREATE TABLE event (position)"));
  insert(session, 3);
  const telemetry::Scope scope(traced());
  auto select = session.prepare("SELECT position FROM event").value();
  ASSERT_TRUE(select.step().value());
  ASSERT_TRUE(select.step().value());
  EXPECT_THAT(names(), testing::IsEmpty());
  select.reset();
  EXPECT_THAT(names(), ElementsAre("SELECT event"));
  {
    auto left = session.prepare("SELECT position FROM event").value();
    ASSERT_TRUE(left.step().value());
  }
  EXPECT_THAT(names(), ElementsAre("SELECT event", "SELECT event"));
}

TEST_F(Statements, that_fail_say_why) {
  auto session = open();
  ASSERT_TRUE(session.execute("CREATE TABLE event (position UNIQUE)"));
  insert(session, 1);
  const telemetry::Scope scope(traced());
  auto statement = session.prepare("INSERT INTO event VALUES (0)").value();
  EXPECT_FALSE(statement.run());
  EXPECT_FALSE(session.execute("SELECT from"));
  ASSERT_EQ(kept_->spans.size(), 2);
  EXPECT_EQ(kept_->spans[0]->status, telemetry::StatusCode::error);
  EXPECT_EQ(attribute(*kept_->spans[0], "error.type"), "INTERNAL");
  EXPECT_EQ(attribute(*kept_->spans[0], "db.response.status_code"), "2067") << "UNIQUE";
  EXPECT_EQ(attribute(*kept_->spans[1], "db.response.status_code"), "1");
}

TEST_F(Statements, belong_to_whoever_ran_them) {
  auto session = open();
  const char* const other = "00f067aa0ba902b7";
  for (const char* const span : {"b7ad6b7169203331", other}) {
    const telemetry::Scope scope(traced(span));
    ASSERT_TRUE(session.execute("SELECT 1"));
  }
  ASSERT_EQ(kept_->spans.size(), 2);
  EXPECT_EQ(kept_->spans[0]->parent, traced().span.span_id);
  EXPECT_EQ(kept_->spans[1]->parent, traced(other).span.span_id);
}

TEST_F(Statements, of_a_transaction_are_told_when_its_session_goes) {
  {
    auto session = open();
    const telemetry::Scope scope(traced());
    ASSERT_TRUE(session.execute("BEGIN"));
  }
  EXPECT_THAT(names(), ElementsAre("BEGIN :memory:"));
}

TEST_F(Statements, of_a_transaction_are_bounded) {
  auto session = open();
  const telemetry::Scope scope(traced());
  ASSERT_TRUE(session.execute("BEGIN"));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(session.execute(("SELECT " + std::to_string(i)).c_str()));
  }
  ASSERT_TRUE(session.execute("COMMIT"));
  EXPECT_EQ(kept_->spans.size(), StatementReports::statements_max);
}

}  // namespace
}  // namespace weir::sqlite
