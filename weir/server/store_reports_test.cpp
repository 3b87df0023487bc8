#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <map>

#include <tests/support/temporary_folder.hpp>
#include <weir/server/kept_spans_for_tests.hpp>
#include <weir/server/store_reports.hpp>
#include <weir/store/sqlite/store.hpp>

namespace weir::server {
namespace {

using telemetry::SpanData;
using ::testing::Contains;
using ::testing::ElementsAre;

/// A log in a file whose statements and operations are traced.
class TracedLog : public ::testing::Test {
 protected:
  TracedLog() {
    engine::LogEngineOptions engine;
    engine.committer.observer = &observer_;
    store_ = sqlite::Store::open({.path = folder_.file("library.db"),
                                  .engine = engine,
                                  .reporting = {.telemetry = telemetry_}},
                                 std::make_shared<engine::Threads>())
                 .value();
    log_ = store_->open("default", {}).value();
  }
  telemetry::Span request() const {
    return telemetry_.tracer->start_span("request", {}, {.parent = telemetry::Context()});
  }
  static AppendRequest lent(int events, const telemetry::Span& of) {
    AppendRequest append{.call = {.context = of.context()}};
    for (int i = 0; i < events; ++i) append.events.push_back({.type = "Lent", .data = "{}"});
    return append;
  }
  /// Without PRAGMAs and the like, of which a connection's first use is full.
  std::vector<std::string> statements_under(const SpanData& span) const {
    std::vector<std::string> names;
    for (const auto* child : kept_->children_of(span.context)) {
      if (child->name.starts_with("PRAGMA") || child->name.ends_with(" meta")) continue;
      names.push_back(child->name);
    }
    return names;
  }

  testing_support::TemporaryFolder folder_;
  std::shared_ptr<KeptSpans> kept_ = std::make_shared<KeptSpans>();
  telemetry::SdkTracerProvider provider_{kept_, {}};
  telemetry::Telemetry telemetry_{.tracer = &provider_.tracer("test")};
  StoreReports observer_{telemetry_};
  std::shared_ptr<Catalog> store_;
  std::shared_ptr<EventStore> log_;
};

TEST_F(TracedLog, has_the_statements_of_an_append_under_its_span) {
  auto asked = request();
  ASSERT_TRUE(log_->append(lent(100, asked)));
  const auto appends = kept_->children_of(asked.span_context());
  ASSERT_EQ(appends.size(), 1);
  EXPECT_EQ(appends[0]->name, "append default");
  EXPECT_THAT(statements_under(*appends[0]),
              ElementsAre("BEGIN library.db", "SELECT event", "INSERT event", "COMMIT library.db"));
  for (const auto* statement : kept_->children_of(appends[0]->context)) {
    EXPECT_GE(statement->start, appends[0]->start) << statement->name;
    EXPECT_LE(statement->end, appends[0]->end) << statement->name;
    if (statement->name == "INSERT event") {
      EXPECT_EQ(attribute_of(*statement, "db.operation.batch.size"), "100");
    }
  }
}

TEST_F(TracedLog, makes_no_span_of_what_nobody_traces) {
  ASSERT_TRUE(log_->append(lent(100, telemetry::Span())));
  ASSERT_TRUE(log_->read({}).collect());
  EXPECT_TRUE(kept_->all().empty());
}

TEST_F(TracedLog, links_those_who_were_committed_together) {
  constexpr int callers = 64;
  std::latch answered(callers);
  std::vector<telemetry::Span> asked;
  for (int i = 0; i < callers; ++i) {
    asked.push_back(request());
    log_->append(lent(1, asked.back()), [&](Result<Appended> appended) {
      EXPECT_TRUE(appended);
      answered.count_down();
    });
  }
  answered.wait();
  // Told after the callers are answered.
  store_.reset();
  log_.reset();
  std::size_t first_ones = 0, linked_ones = 0;
  for (const auto& of : asked) {
    const auto appends = kept_->children_of(of.span_context());
    ASSERT_EQ(appends.size(), 1);
    const auto& append = *appends[0];
    if (!kept_->children_of(append.context).empty()) {
      ++first_ones;
      EXPECT_THAT(statements_under(append), Contains("COMMIT library.db"));
      linked_ones += append.links.size();
      continue;
    }
    ASSERT_EQ(append.links.size(), 1) << "leads to where the statements are";
    const auto* leader = kept_->find(append.links[0].to);
    ASSERT_NE(leader, nullptr);
    EXPECT_THAT(statements_under(*leader), Contains("COMMIT library.db"));
    const bool back = std::any_of(leader->links.begin(), leader->links.end(), [&](const auto& to) {
      return to.to.span_id == of.span_context().span_id;
    });
    EXPECT_TRUE(back) << "and from there";
    EXPECT_EQ(attribute_of(append, "weir.commit.appends"),
              attribute_of(*leader, "weir.commit.appends"));
  }
  EXPECT_EQ(first_ones + linked_ones, callers);
  EXPECT_LT(first_ones, callers) << "none were committed together";
}

TEST_F(TracedLog, makes_few_spans_of_a_long_read) {
  constexpr int events = 20'000;
  for (int i = 0; i < events / 2000; ++i) ASSERT_TRUE(log_->append(lent(2000, telemetry::Span())));
  auto asked = request();
  const auto read = log_->read({.call = {.context = asked.context()}}).collect();
  ASSERT_TRUE(read);
  ASSERT_EQ(read->events.size(), events);
  const auto steps = kept_->children_of(asked.span_context());
  EXPECT_EQ(steps.size(), events / 1000);
  for (const auto* step : steps) {
    EXPECT_EQ(step->name, "read default");
    const auto statements = statements_under(*step);
    EXPECT_LE(statements.size(), 6) << ::testing::PrintToString(statements);
  }
}

TEST_F(TracedLog, has_spans_of_what_else_a_store_does) {
  auto asked = request();
  ASSERT_TRUE(log_->append(lent(1, asked)));
  const CallOptions call{.context = asked.context()};
  const SnapshotKey key{.projection = "shelf", .query_hash = "1"};
  ASSERT_TRUE(log_->save_snapshot({.key = key, .position = Position(1), .data = "x"}, call));
  ASSERT_TRUE(log_->load_snapshot(key, call));
  ASSERT_TRUE(log_->delete_snapshot(key, call));
  ASSERT_TRUE(log_->head(call));
  ASSERT_TRUE(log_->tracked("orders", call));
  std::map<std::string, std::vector<std::string>> under;
  for (const auto* span : kept_->children_of(asked.span_context())) {
    under[span->name] = statements_under(*span);
  }
  EXPECT_THAT(under["save snapshot default"],
              ElementsAre("BEGIN library.db", "INSERT snapshot", "COMMIT library.db"));
  EXPECT_THAT(under["load snapshot default"], ElementsAre("SELECT snapshot"));
  EXPECT_THAT(under["delete snapshot default"],
              ElementsAre("BEGIN library.db", "DELETE snapshot", "COMMIT library.db"));
  EXPECT_THAT(under["head default"], ElementsAre("SELECT event"));
  EXPECT_THAT(under["tracked default"], ElementsAre("SELECT tracking"));
}

TEST_F(TracedLog, has_a_refused_append_too) {
  auto asked = request();
  ASSERT_TRUE(log_->append(lent(1, telemetry::Span())));
  auto conflicting = lent(1, asked);
  conflicting.condition = Condition{};
  EXPECT_FALSE(log_->append(std::move(conflicting)));
  const auto appends = kept_->children_of(asked.span_context());
  ASSERT_EQ(appends.size(), 1);
  EXPECT_THAT(statements_under(*appends[0]), Contains("ROLLBACK library.db"));
}

}  // namespace
}  // namespace weir::server
