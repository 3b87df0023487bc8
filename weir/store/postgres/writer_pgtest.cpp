#include <gmock/gmock.h>

#include <future>

#include <fmt/format.h>

#include <tests/support/cut_proxy.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::CutProxy;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

constexpr std::size_t events = 3000;
constexpr std::size_t event_bytes = 500;

/// A log with a past that a writer must learn of, and that writer, whose bytes are counted.
class CatchUp : public ::testing::Test {
 protected:
  static std::vector<Event> some_events(std::size_t count) {
    const auto data = "\"" + std::string(event_bytes, 'x') + "\"";
    return std::vector<Event>(count, event("T").json(data).tagged("t"));
  }
  std::uint64_t received() const { return proxy.forwarded(CutProxy::Way::to_client); }
  /// Until a session of the database waits for a lock; fails the test after a while.
  void wait_until_somebody_waits() {
    const auto until = system_clock().instant() + 30s;
    while (run_sql(uri,
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND wait_event_type = 'Lock'") == "0") {
      ASSERT_LT(system_clock().instant(), until);
    }
  }

  const std::string uri = PostgresCluster::shared().new_database();
  CutProxy proxy{PostgresCluster::shared().host(), PostgresCluster::shared().port()};
  OpenLog others = OpenLog::create(uri);
  OpenLog late = OpenLog::open(weir::testing_support::with_address(uri, "127.0.0.1", proxy.port()));
};

// A process that has just started used to hold everybody up while it fetched 32,768 events.
TEST_F(CatchUp, fetches_a_long_past_before_it_locks_the_log) {
  others.append(some_events(events));
  const auto held = others.writer->begin({.known = position_max}).value();
  auto begin = std::async(std::launch::async, [&] {
    return late.writer->begin({.known = Position(), .missed_max = 32'768});
  });
  wait_until_somebody_waits();
  const auto before = received();
  EXPECT_GT(before, events * event_bytes);

  const auto last = some_events(1);
  const engine::NewEvent added{.event = &last.front(), .position = held.head.next()};
  ASSERT_TRUE(others.writer->commit({.events = {&added, 1}}));
  const auto begun = begin.get();
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_LT(received() - before, 10 * event_bytes);
  EXPECT_EQ(begun->head, Position(events + 1));
  EXPECT_EQ(begun->missed.size(), events + 1);
  EXPECT_EQ(begun->missed.first(), Position(1));
  EXPECT_EQ(begun->missed.last(), begun->head);
  late.writer->rollback();
}

// What was fetched before the log was locked came to stand past its head.
TEST_F(CatchUp, forgets_what_it_fetched_of_a_log_that_was_put_back_before_it_had_the_lock) {
  others.append(some_events(events));
  auto restoring = Session::connect({.uri = uri}, system_clock(), {}).value();
  ASSERT_TRUE(restoring->run_script("BEGIN; SELECT FROM weir.log FOR UPDATE", {}));
  auto begin = std::async(std::launch::async, [&] {
    return late.writer->begin({.known = Position(), .missed_max = 32'768});
  });
  wait_until_somebody_waits();
  ASSERT_TRUE(
      restoring->run_script("DELETE FROM weir.event WHERE position > 2990;"
                            "UPDATE weir.log SET head = 2990; COMMIT",
                            {}));
  const auto begun = begin.get();
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_EQ(begun->head, Position(2990));
  EXPECT_TRUE(begun->missed.empty());
  late.writer->rollback();
}

TEST_F(CatchUp, learns_of_all_that_was_appended_while_it_was_idle) {
  late.append(some_events(1));
  others.append(some_events(events));
  const auto begun = late.writer->begin({.known = Position(1), .missed_max = 32'768}).value();
  EXPECT_EQ(begun.missed.size(), events);
  EXPECT_EQ(begun.missed.first(), Position(2));
  EXPECT_EQ(begun.missed.last(), begun.head);
  // It has the lock now.
  late.writer->rollback();
  EXPECT_TRUE(others.writer->begin({.known = position_max}));
  others.writer->rollback();
}

TEST_F(CatchUp, learns_of_the_newest_only_when_more_are_of_no_use) {
  others.append(some_events(events));
  const auto begun = late.writer->begin({.known = Position(7), .missed_max = 2000}).value();
  EXPECT_EQ(begun.missed.size(), 2000U);
  EXPECT_EQ(begun.missed.last(), begun.head);
  late.writer->rollback();
}

// VACUUM FULL, REINDEX or ALTER TABLE used to stop the store for 30 s: the writer waited for a
// reader, who waited for the administrator, who waited for the writer.
TEST_F(CatchUp, reads_for_its_conditions_while_somebody_waits_to_lock_the_table) {
  others.append(some_events(2));
  ASSERT_TRUE(others.writer->begin({.known = Position()}));
  auto administrator = std::async(std::launch::async, [&] {
    run_sql(uri, "BEGIN; LOCK TABLE weir.event IN ACCESS EXCLUSIVE MODE; COMMIT");
  });
  wait_until_somebody_waits();
  const auto began = system_clock().instant();
  const auto step = others.writer->read_step({.query = Query{}.tagged("t"), .limit = 1});
  EXPECT_LT(system_clock().instant() - began, 5s);
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(step->batch.first(), Position(1));
  const auto added = some_events(1);
  const engine::NewEvent next{.event = &added.front(), .position = Position(3)};
  EXPECT_TRUE(others.writer->commit({.events = {&next, 1}}));
  administrator.get();
}

TEST_F(CatchUp, records_nothing_after_a_read_in_its_transaction_failed) {
  others.append(some_events(2));
  ASSERT_TRUE(others.writer->begin({.known = Position()}));
  run_sql(uri, "ALTER TABLE weir.term RENAME TO term_away");
  EXPECT_FALSE(others.writer->read_step({.query = Query{}.tagged("t"), .limit = 1}));
  run_sql(uri, "ALTER TABLE weir.term_away RENAME TO term");
  const auto added = some_events(1);
  const engine::NewEvent next{.event = &added.front(), .position = Position(3)};
  const auto committed = others.writer->commit({.events = {&next, 1}});
  ASSERT_FALSE(committed);
  EXPECT_TRUE(engine::is_nothing_recorded(committed.error()));
  EXPECT_EQ(others.writer->begin({.known = Position()}).value().head, Position(2));
  others.writer->rollback();
}

/// A log of two processes, after it lost its last events while one of them knew them.
class Rewound : public ::testing::Test {
 protected:
  static void append(EventStore& log, std::size_t count, const char* tag) {
    ASSERT_TRUE(
        log.append({.events = std::vector<Event>(count, event("T").json("{}").tagged(tag))}));
  }
  /// Everything that a backup from before would not have.
  void lose_past(int position) const {
    run_sql(uri, fmt::format("DELETE FROM weir.event WHERE position > {0};"
                             "DELETE FROM weir.term WHERE position > {0};"
                             "UPDATE weir.log SET head = {0}",
                             position));
  }
  static Result<Appended> append_if_none(EventStore& log, const char* tag, std::uint64_t after) {
    return log.append({.events = {event("T").json("{}")},
                       .condition = Condition{.fail_if_events_match = Query{}.tagged(tag),
                                              .after = Position(after)}});
  }
  std::shared_ptr<EventStore> open() const {
    const auto store = Store::open({.uri = uri}, std::make_shared<engine::Threads>()).value();
    return store->open("default", {}).value();
  }

  const std::string uri = PostgresCluster::shared().new_database();
  const std::shared_ptr<EventStore> one = open();
  const std::shared_ptr<EventStore> other = open();
};

TEST_F(Rewound, log_that_others_wrote_past_the_old_head_is_judged_by_what_it_holds) {
  append(*one, 6, "base");
  append(*one, 5, "lost");
  lose_past(6);
  append(*other, 5, "found");
  append(*other, 5, "further");
  const auto refused = append_if_none(*one, "found", 6);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.at("position"), "7");
  EXPECT_FALSE(append_if_none(*one, "further", 6));
  EXPECT_TRUE(append_if_none(*one, "lost", 6));
}

TEST_F(Rewound, log_that_has_as_many_events_as_before_is_judged_by_what_it_holds) {
  append(*one, 6, "base");
  append(*one, 5, "lost");
  lose_past(6);
  append(*other, 5, "found");
  EXPECT_FALSE(append_if_none(*one, "found", 6));
  EXPECT_TRUE(append_if_none(*one, "lost", 6));
}

}  // namespace
}  // namespace weir::postgres
