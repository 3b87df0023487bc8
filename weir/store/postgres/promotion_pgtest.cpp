#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;
using Standing = sql::ReplicaStanding;

constexpr int common_events = 2000, lost_events = 10, fresh_events = 5;

/// A primary and two replicas. One lacks the primary's last events and takes its place; the other
/// has them, and is not asked again where it stands before the test is over.
class Promotion : public ::testing::Test {
 protected:
  void SetUp() override {
    append(OpenLog::create(database), common_events, "Common");
    wait_for_replay(heir);
    run_sql(admin(heir), "ALTER SYSTEM SET primary_conninfo = ''");
    run_sql(admin(heir), "SELECT pg_reload_conf()");
    while (run_sql(admin(heir), "SELECT count(*) FROM pg_stat_wal_receiver") != "0") {
      std::this_thread::sleep_for(5ms);
    }
    append(OpenLog::open(database), lost_events, "Lost");
    wait_for_replay(other);
    ASSERT_NO_FATAL_FAILURE(open_log());
    ASSERT_EQ(log->backend->head({}).value(), Position(common_events + lost_events));
    heir.promote();
    append(OpenLog::open(on(heir)), fresh_events, "Fresh");
  }

  /// The other replica is in only if it has been asked after the primary.
  void open_log() {
    const auto uri = fmt::format("postgres://weir@{}:{},{}:{},{}:{}{}", primary.host(),
                                 primary.port(), heir.host(), heir.port(), other.host(),
                                 other.port(), database.substr(database.rfind('/')));
    for (int i = 0; i < 200; ++i) {
      log.emplace(OpenLog::open(uri, {.replicas = {.lag_max = 1h, .measure_every = 1min},
                                      .pool_listener = [this](const PoolEvent& event) {
                                        const bool borrowed =
                                            event.kind == PoolEvent::Kind::borrowed;
                                        if (borrowed && ends_when_asked.exchange(false)) {
                                          primary.stop();
                                        }
                                      }}));
      if (log->database->replicas()->states()[2].replica.standing == Standing::in) return;
    }
    FAIL() << "the replica is not in: " << log->database->replicas()->states()[2].replica.why;
  }

  static void append(OpenLog to, int count, const char* type) {
    to.append(std::vector<Event>(static_cast<std::size_t>(count), event(type).json("{}")));
  }
  static std::string admin(const PostgresCluster& cluster) {
    return fmt::format("postgres://weir@{}:{}/postgres", cluster.host(), cluster.port());
  }
  std::string on(const PostgresCluster& cluster) const {
    return weir::testing_support::with_address(database, cluster.host(), cluster.port());
  }
  void wait_for_replay(const PostgresCluster& cluster) const {
    const auto written = run_sql(database, "SELECT pg_current_wal_lsn()");
    const auto replayed = "SELECT pg_last_wal_replay_lsn() >= '" + written + "'";
    while (run_sql(admin(cluster), replayed) != "t") std::this_thread::sleep_for(5ms);
  }
  std::vector<std::string> types(const ReadRequest& request) {
    std::vector<std::string> types;
    const auto step = log->backend->read_step(request).value();
    for (const auto& event : step.batch) types.emplace_back(event.type());
    return types;
  }

  PostgresCluster primary{{}};
  const std::string database = primary.new_database();
  PostgresCluster heir{{.replica_of = &primary, .replica_name = "heir"}};
  PostgresCluster other{{.replica_of = &primary, .replica_name = "other"}};
  /// The primary ends when the next connection has been borrowed to ask it.
  std::atomic<bool> ends_when_asked = false;
  std::optional<OpenLog> log;
};

// Whoever knew the new primary's head already got the old primary's events from the replica.
TEST_F(Promotion, ends_reading_from_replicas_that_were_measured_against_the_old_primary) {
  primary.stop();
  // By the first it finds the new primary, and asks that one alone with the second.
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(log->backend->head({}).value(), Position(common_events + fresh_events));
  }
  const auto read =
      types({.after = Position(common_events), .until = Position(common_events + fresh_events)});
  EXPECT_THAT(read, SizeIs(fresh_events));
  EXPECT_THAT(read, Each("Fresh"));
}

TEST_F(Promotion, that_is_noticed_while_a_replica_is_read_from_has_the_new_primary_asked) {
  ends_when_asked = true;
  // It asks the primary how far to read.
  EXPECT_THAT(types({.query = Query{}.of_type("Lost")}), IsEmpty());
  EXPECT_FALSE(ends_when_asked);
  EXPECT_EQ(log->database->hosts().changes(), 1u);
}

}  // namespace
}  // namespace weir::postgres
