#include <gmock/gmock.h>

#include <future>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

/// An append to a server whose commits wait for a replica, which is not there. An administrator who
/// cancels one has it committed on that server alone, and the server say no more than a warning.
class UnconfirmedCommit : public ::testing::Test {
 protected:
  std::future<Result<void>> append(std::chrono::milliseconds settle_time_max) {
    OpenLog::create(database);
    run_sql(database, "ALTER ROLE weir SET client_min_messages = error");
    log.emplace(OpenLog::open(database, {.settle_time_max = settle_time_max}));
    wait_for_replicas("'nobody'");
    // It is the checkpointer that has commits wait, once it has read the setting too, which it does
    // before each checkpoint.
    for (int i = 0; i < 2; ++i) run_sql(database, "CHECKPOINT");
    return std::async(std::launch::async,
                      [this] { return log->try_append({event("T").json("{}")}); });
  }
  void wait_for_replicas(const std::string& names) const {
    run_sql(database, "ALTER SYSTEM SET synchronous_standby_names = " + names);
    run_sql(database, "SELECT pg_reload_conf()");
  }
  /// The server process of a commit that waits for replicas, other than that one; 0: there is none.
  int waiting(int other = 0) const {
    const auto process = run_sql(
        database, fmt::format("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                              " AND pid <> {}",
                              other));
    return process.empty() ? 0 : std::stoi(process);
  }
  int wait_until_waiting(int other = 0) const {
    for (int i = 0; i < 2000; ++i) {
      if (const auto process = waiting(other); process != 0) return process;
      std::this_thread::sleep_for(5ms);
    }
    return 0;
  }
  void cancel(int process) const {
    run_sql(database, fmt::format("SELECT pg_cancel_backend({})", process));
  }

  PostgresCluster cluster{{}};
  const std::string database = cluster.new_database();
  std::optional<OpenLog> log;
};

TEST_F(UnconfirmedCommit, is_not_acknowledged_though_all_who_wait_are_cancelled) {
  auto appending = append(2s);
  while (appending.wait_for(5ms) != std::future_status::ready) {
    if (const auto process = waiting(); process != 0) cancel(process);
  }
  const auto appended = appending.get();
  ASSERT_FALSE(appended);
  EXPECT_THAT(appended.error().message, HasSubstr("unknown"));
  EXPECT_FALSE(engine::is_nothing_recorded(appended.error()));
  EXPECT_EQ(log->backend->head({}).value(), Position(1));
  wait_for_replicas("''");
}

TEST_F(UnconfirmedCommit, is_acknowledged_once_a_later_one_has_been_confirmed) {
  auto appending = append(60s);
  const auto process = wait_until_waiting();
  ASSERT_NE(process, 0);
  cancel(process);
  EXPECT_NE(wait_until_waiting(process), 0) << "nothing waits in its place";
  wait_for_replicas("''");
  const auto appended = appending.get();
  EXPECT_TRUE(appended) << appended.error().message;
  EXPECT_EQ(log->backend->head({}).value(), Position(1));
}

}  // namespace
}  // namespace weir::postgres
