#include <gtest/gtest.h>

#include <thread>

#include <tests/support/cut_proxy.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::CutProxy;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;
using Way = CutProxy::Way;

/// A log whose writer reaches the server through a proxy, and one that sees the truth.
class CutConnection : public ::testing::Test {
 protected:
  static Event some_event(int number) {
    return event("T").json("{\"n\":" + std::to_string(number) + "}").tagged("t");
  }
  std::size_t events_on_disk() { return truth.read_all({}).size(); }

  const std::string uri = PostgresCluster::shared().new_database();
  CutProxy proxy{PostgresCluster::shared().host(), PostgresCluster::shared().port()};
  OpenLog truth = OpenLog::create(uri);
  OpenLog cut = OpenLog::open(weir::testing_support::with_address(uri, "127.0.0.1", proxy.port()),
                              {.settle_time_max = 5s});
};

struct Outcomes {
  int recorded = 0;
  int refused = 0;
};

TEST_F(CutConnection, reports_the_outcome_that_is_on_disk_wherever_an_append_is_cut) {
  const auto measure = [&](Way way) {
    cut.append({some_event(0)});  // what is sent the first time is more
    const auto before = proxy.forwarded(way);
    cut.append({some_event(0)});
    return proxy.forwarded(way) - before;
  };
  std::size_t recorded = 0;
  for (const auto way : {Way::to_server, Way::to_client}) {
    const auto bytes = measure(way);
    recorded += 2;
    Outcomes outcomes;
    for (std::uint64_t after = 0; after < bytes; after += 1 + bytes / 64) {
      SCOPED_TRACE("cut after " + std::to_string(after) + " of " + std::to_string(bytes));
      // Once whole, so that the statements are prepared on this connection too.
      cut.append({some_event(1)});
      ++recorded;
      const auto cuts = proxy.cuts();
      proxy.cut_after(way, after);
      const auto appended = cut.try_append({some_event(2)});
      EXPECT_EQ(proxy.cuts(), cuts + 1);
      if (appended) {
        ++recorded;
        ++outcomes.recorded;
      } else {
        EXPECT_EQ(appended.error().code, Code::unavailable) << appended.error().message;
        ++outcomes.refused;
      }
      ASSERT_EQ(events_on_disk(), recorded);
    }
    // Of the cuts before the commit reached the server the first half of the append survives by
    // being begun anew; of those after it each is found to have been recorded.
    EXPECT_GT(outcomes.recorded, 0);
    EXPECT_EQ(outcomes.refused > 0, way == Way::to_server);
  }
}

TEST_F(CutConnection, says_that_a_commit_is_unknown_when_the_server_stays_away) {
  auto hasty = OpenLog::open(weir::testing_support::with_address(uri, "127.0.0.1", proxy.port()),
                             {.settle_time_max = 300ms});
  hasty.append({some_event(0)});
  ASSERT_TRUE(hasty.writer->begin({}));
  const Event event = some_event(1);
  const engine::NewEvent added{.event = &event, .position = Position(2)};
  proxy.cut_after(Way::to_client, 0);
  proxy.refuse(true);
  const auto committed = hasty.writer->commit({.events = {&added, 1}});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Code::unavailable);
  EXPECT_NE(committed.error().message.find("unknown"), std::string::npos);
  proxy.refuse(false);
  // It was recorded, and the next begin() says so.
  const auto begun = hasty.writer->begin({}).value();
  EXPECT_EQ(begun.head, Position(2));
  hasty.writer->rollback();
}

TEST_F(CutConnection, waits_for_a_transaction_in_doubt_to_end) {
  // The server holds the commit up: a deferred trigger runs inside of COMMIT.
  run_sql(uri,
          "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
          " $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;"
          "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON weir.event INITIALLY DEFERRED"
          " FOR EACH ROW EXECUTE FUNCTION hold()");
  ASSERT_TRUE(cut.writer->begin({}));
  const Event event = some_event(1);
  const engine::NewEvent added{.event = &event, .position = Position(1)};
  std::thread cutter([&] {
    std::this_thread::sleep_for(200ms);
    proxy.cut_now();
  });
  const auto committed = cut.writer->commit({.events = {&added, 1}});
  cutter.join();
  EXPECT_EQ(proxy.cuts(), 1);
  // The transaction went on without its client; looking at once would have found nothing.
  EXPECT_TRUE(committed);
  EXPECT_EQ(events_on_disk(), 1u);
}

TEST_F(CutConnection, settles_a_commit_of_which_the_server_process_was_killed) {
  for (int i = 0; i < 20; ++i) {
    auto begun = cut.writer->begin({});
    ASSERT_TRUE(begun) << begun.error().message;
    const Event event = some_event(i);
    const engine::NewEvent added{.event = &event, .position = begun->head.next()};
    std::thread killer([&] {
      run_sql(uri,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE datname = current_database() AND query LIKE 'WITH head AS%'"
              " OR (datname = current_database() AND state = 'idle in transaction')");
    });
    const auto committed = cut.writer->commit({.events = {&added, 1}});
    killer.join();
    ASSERT_EQ(events_on_disk(), begun->head.value + (committed ? 1 : 0));
  }
}

}  // namespace
}  // namespace weir::postgres
