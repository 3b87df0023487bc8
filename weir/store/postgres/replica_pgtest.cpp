#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;
using Standing = sql::ReplicaStanding;

/// A primary with one replica, which does not hold up commits.
struct Pair {
  PostgresCluster primary{{}};
  PostgresCluster replica{{.replica_of = &primary}};
};

/// A log that knows of both.
class ReadingFromReplicas : public ::testing::Test {
 protected:
  explicit ReadingFromReplicas(Pair& pair = *shared)
      : primary(pair.primary), replica(pair.replica), database(primary.new_database()) {}
  static void SetUpTestSuite() { shared = std::make_unique<Pair>(); }
  static void TearDownTestSuite() { shared.reset(); }

  void SetUp() override {
    OpenLog::create(database);
    wait_for_replay();
    log.emplace(OpenLog::open(
        fmt::format("postgres://weir@{}:{},{}:{}{}", primary.host(), primary.port(), replica.host(),
                    replica.port(), database.substr(database.rfind('/'))),
        {.replicas = {.lag_max = 1s, .measure_every = 20ms},
         .pool_listener = [this](const PoolEvent& event) {
           if (event.kind != PoolEvent::Kind::borrowed) return;
           const std::lock_guard lock(mutex);
           ++borrowed[std::string(event.pool)];
         }}));
    ASSERT_TRUE(becomes(Standing::in));
  }

  sql::ReplicaState state() const {
    for (const auto& state : log->database->replicas()->states()) {
      if (state.host == replica_host()) return state.replica;
    }
    return {};
  }
  std::string replica_host() const { return fmt::format("{}:{}", replica.host(), replica.port()); }
  bool becomes(Standing standing) const {
    for (int i = 0; i < 2000; ++i) {
      if (state().standing == standing) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  HealthCheck health_of_replica() const {
    const auto checks = log->database->health();
    EXPECT_EQ(checks.size(), 3u);
    EXPECT_EQ(checks[0].name, "store");
    EXPECT_EQ(checks[1].name, "pool");
    EXPECT_EQ(checks[2].name, "replica " + replica_host());
    return checks[2];
  }
  int from_replica() {
    const std::lock_guard lock(mutex);
    return borrowed["replica " + replica_host()];
  }
  int from_primary() {
    const std::lock_guard lock(mutex);
    return borrowed["readers"];
  }
  /// Nothing that is appended from now on is replayed.
  void pause() const { run_sql(on_replica(), "SELECT pg_wal_replay_pause()"); }
  void resume() const { run_sql(on_replica(), "SELECT pg_wal_replay_resume()"); }
  std::string on_replica() const {
    return fmt::format("postgres://weir@{}:{}/postgres", replica.host(), replica.port());
  }
  /// Waits until the replica has replayed all that there is.
  void wait_for_replay() const {
    const auto written = run_sql(database, "SELECT pg_current_wal_lsn()");
    const auto replayed = "SELECT pg_last_wal_replay_lsn() >= '" + written + "'";
    while (run_sql(on_replica(), replayed) != "t") std::this_thread::sleep_for(5ms);
  }
  void append(int events) {
    log->append(
        std::vector<Event>(static_cast<std::size_t>(events), event("T").json("{}").tagged("t")));
  }
  static std::vector<std::uint64_t> positions(const std::vector<RecordedEvent>& events) {
    std::vector<std::uint64_t> list;
    for (const auto& event : events) list.push_back(event.position.value);
    return list;
  }
  static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> list;
    for (auto i = first; i <= last; ++i) list.push_back(i);
    return list;
  }

  static inline std::unique_ptr<Pair> shared;
  PostgresCluster& primary;
  PostgresCluster& replica;
  const std::string database;
  std::mutex mutex;
  std::map<std::string, int> borrowed;
  std::optional<OpenLog> log;
};

TEST_F(ReadingFromReplicas, takes_the_steps_of_a_long_read_after_the_first) {
  append(500);
  wait_for_replay();
  const auto head = log->backend->head({}).value();
  const auto before = from_primary();
  for (int i = 0; i < 10; ++i) {
    const auto step = log->backend->read_step({.until = head, .batch_events_max = 100}).value();
    EXPECT_EQ(step.batch.size(), 100u);
    EXPECT_EQ(step.head, head);
  }
  EXPECT_EQ(from_replica(), 10);
  EXPECT_EQ(from_primary(), before);
}

TEST_F(ReadingFromReplicas, never_takes_the_head_nor_a_read_without_an_end) {
  append(5);
  wait_for_replay();
  EXPECT_EQ(log->backend->head({}).value(), Position(5));
  EXPECT_EQ(log->backend->read_step({}).value().batch.size(), 5u);
  EXPECT_EQ(log->backend->read_step({.direction = Direction::backwards}).value().batch.size(), 5u);
  EXPECT_EQ(from_replica(), 0);
}

TEST_F(ReadingFromReplicas, never_takes_a_read_to_where_no_primary_was_seen_yet) {
  append(5);
  wait_for_replay();
  const auto step = log->backend->read_step({.until = Position(1000)}).value();
  EXPECT_EQ(step.head, Position(5));
  EXPECT_EQ(step.batch.size(), 5u);
  EXPECT_EQ(from_replica(), 0);
}

TEST_F(ReadingFromReplicas, shows_whatever_was_appended_though_the_replica_has_not_replayed_it) {
  append(300);
  wait_for_replay();
  pause();
  append(200);
  const auto head = log->backend->head({}).value();
  ASSERT_EQ(head, Position(500));
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    auto read = positions(log->read_all({.until = head, .direction = direction}));
    std::sort(read.begin(), read.end());
    EXPECT_EQ(read, range(1, 500));
  }
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    auto read = positions(log->read_all({.query = Query{}.tagged("t"),
                                         .after = Position(250),
                                         .until = Position(450),
                                         .direction = direction,
                                         .batch_events_max = 7}));
    std::sort(read.begin(), read.end());
    EXPECT_EQ(read, range(251, 450));
  }
  // It has nothing past 300 at all.
  EXPECT_EQ(positions(log->read_all({.after = Position(300), .until = head})), range(301, 500));
  EXPECT_GT(from_replica(), 0);
  resume();
}

TEST_F(ReadingFromReplicas, ends_a_forward_step_where_the_replica_ends) {
  append(300);
  wait_for_replay();
  pause();
  append(200);
  const auto head = log->backend->head({}).value();
  const auto step = log->backend->read_step({.until = head}).value();
  EXPECT_EQ(step.batch.size(), 300u);
  EXPECT_EQ(step.cursor, Position(300));
  EXPECT_EQ(step.head, head);
  EXPECT_FALSE(step.end);
  const auto limited = log->backend->read_step({.until = head, .limit = 300}).value();
  EXPECT_TRUE(limited.end);
  resume();
}

TEST_F(ReadingFromReplicas, catches_up_from_a_replica_and_knows_the_head_of_the_primary) {
  append(3000);
  wait_for_replay();
  ASSERT_EQ(log->backend->head({}).value(), Position(3000));
  append(1);
  const auto step = log->backend->read_step({}).value();
  EXPECT_EQ(step.head, Position(3001));
  EXPECT_EQ(step.batch.first(), Position(1));
  EXPECT_EQ(from_replica(), 1);
  pause();
  append(99);
  EXPECT_EQ(positions(log->read_all({})), range(1, 3100));
  resume();
}

TEST_F(ReadingFromReplicas, leaves_out_one_that_is_behind_until_it_has_caught_up) {
  append(10);
  wait_for_replay();
  pause();
  for (int i = 0; i < 400 && state().standing == Standing::in; ++i) {
    append(1);
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(state().standing, Standing::behind) << state().why;
  EXPECT_GT(state().lag, 1s);
  EXPECT_GT(state().lag_bytes, 0u);
  const auto head = log->backend->head({}).value();
  const auto before = from_replica();
  EXPECT_EQ(positions(log->read_all({.until = head})), range(1, head.value));
  EXPECT_EQ(from_replica(), before);
  resume();
  EXPECT_TRUE(becomes(Standing::in));
}

TEST_F(ReadingFromReplicas, keeps_one_that_follows_while_nothing_is_written) {
  append(10);
  wait_for_replay();
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(state().standing, Standing::in) << state().why;
    std::this_thread::sleep_for(100ms);
  }
}

TEST_F(ReadingFromReplicas, goes_back_to_the_primary_while_the_replica_is_down) {
  append(300);
  wait_for_replay();
  const auto head = log->backend->head({}).value();
  EXPECT_EQ(log->read_all({.until = head}).size(), 300u);
  replica.stop();
  EXPECT_EQ(log->read_all({.until = head}).size(), 300u) << "at once";
  EXPECT_TRUE(becomes(Standing::down));
  EXPECT_EQ(health_of_replica().status, HealthStatus::degraded);
  EXPECT_NE(health_of_replica().reason, "");
  EXPECT_EQ(log->read_all({.until = head}).size(), 300u);
  replica.start();
  EXPECT_TRUE(becomes(Standing::in));
  EXPECT_EQ(health_of_replica().status, HealthStatus::healthy);
  const auto before = from_replica();
  EXPECT_EQ(log->read_all({.until = head}).size(), 300u);
  EXPECT_GT(from_replica(), before);
}

struct OwnPair {
  Pair own;
};

/// With clusters of its own, since nothing is left of them.
class ReadingFromAReplica : private OwnPair, public ReadingFromReplicas {
 protected:
  ReadingFromAReplica() : ReadingFromReplicas(own) {}
  static void SetUpTestSuite() {}
  static void TearDownTestSuite() {}
};

TEST_F(ReadingFromReplicas, asks_the_primary_when_the_replica_hangs) {
  append(500);
  wait_for_replay();
  const auto head = log->backend->head({}).value();
  ASSERT_TRUE(log->backend->read_step({.until = head, .batch_events_max = 100}));
  ASSERT_EQ(from_replica(), 1);
  replica.freeze();
  const auto began = system_clock().instant();
  const auto step = log->backend->read_step(
      {.until = head, .batch_events_max = 100, .call = {.deadline = began + 20s}});
  const auto took = system_clock().instant() - began;
  // Before the replica is thought to be down, too, and by those who have less time.
  const auto short_of_time = system_clock().instant() + 3s;
  const auto other = log->backend->read_step(
      {.until = head, .batch_events_max = 100, .call = {.deadline = short_of_time}});
  replica.thaw();
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(step->batch.size(), 100u);
  EXPECT_LT(took, 10s);
  EXPECT_TRUE(other) << other.error().message;
  EXPECT_TRUE(becomes(Standing::in));
}

TEST_F(ReadingFromAReplica, stops_when_it_becomes_the_primary) {
  append(10);
  wait_for_replay();
  primary.kill();
  replica.promote();
  EXPECT_TRUE(becomes(Standing::primary));
  EXPECT_EQ(log->backend->head({}).value(), Position(10));
  append(1);
  EXPECT_EQ(positions(log->read_all({})), range(1, 11));
}

/// Whoever was told that an append is recorded reads it, in whatever way, while the replica falls
/// behind and catches up.
TEST_F(ReadingFromReplicas, never_shows_less_than_was_acknowledged) {
  std::atomic<bool> stopping = false;
  std::atomic<std::uint64_t> acknowledged = 0;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    auto own = OpenLog::open(database);
    while (!stopping) {
      const auto count = 1 + acknowledged % 7;
      own.append(std::vector<Event>(count, event("T").json("{}").tagged("t")));
      acknowledged += count;
    }
  });
  threads.emplace_back([&] {
    std::mt19937 random(7);
    while (!stopping) {
      pause();
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 200));
      resume();
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
    }
  });
  std::mt19937 random(8);
  const auto until = system_clock().instant() + 6s;
  int reads = 0;
  while (system_clock().instant() < until && !HasFailure()) {
    const std::uint64_t told = acknowledged;
    const auto head = log->backend->head({}).value();
    ASSERT_GE(head.value, told);
    const std::uint64_t first = random() % (told + 1);
    const auto end = random() % 2 == 0 ? head.value : first + random() % (head.value - first + 1);
    ReadRequest request{.after = Position(first), .until = Position(end)};
    if (random() % 2 == 0) request.query = Query{}.tagged("t");
    if (random() % 2 == 0) request.direction = Direction::backwards;
    request.batch_events_max = 1 + random() % 1000;
    auto read = positions(log->read_all(request));
    std::sort(read.begin(), read.end());
    ASSERT_EQ(read, range(first + 1, end));
    ++reads;
  }
  stopping = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GT(from_replica(), reads / 4);
}

}  // namespace
}  // namespace weir::postgres
