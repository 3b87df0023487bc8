#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

/// The same database on both clusters.
std::string both(const std::string& uri, const PostgresCluster& first,
                 const PostgresCluster& second) {
  return fmt::format("postgres://weir@{}:{},{}:{}{}", first.host(), first.port(), second.host(),
                     second.port(), uri.substr(uri.rfind('/')));
}

/// Limits may be short so that a hang shows soon; on a busy machine a first try may then be late,
/// though nothing hangs.
template <class Try>
auto patiently(Try attempt) {
  auto result = attempt();
  for (int i = 0; i < 50 && !result; ++i) {
    std::this_thread::sleep_for(50ms);
    result = attempt();
  }
  return result;
}

/// A primary whose every commit is on its replica before it is answered, so that what was
/// acknowledged survives its death.
class Failover : public ::testing::Test {
 protected:
  /// Appends one event after the other, each until it is acknowledged.
  void append_until_stopped(EventStore& log, int writer) {
    for (int i = 0; !stopping; ++i) {
      const auto name = fmt::format("{}-{}", writer, i);
      while (true) {
        const auto appended = log.append({.events = {event("T").json({{"name", name}}).tagged("t")},
                                          .idempotency_key = name,
                                          .call = {.deadline = system_clock().instant() + 30s}});
        if (appended) {
          const std::lock_guard lock(mutex);
          acknowledged[name] = appended->last;
          last_acknowledged = system_clock().instant();
          if (promoting && !recovered) recovered = last_acknowledged;
          break;
        }
        {
          const std::lock_guard lock(mutex);
          ++failures[appended.error().code];
          if (appended.error().code != Code::unavailable) {
            unexpected.push_back(to_string(appended.error()));
          }
        }
        std::this_thread::sleep_for(20ms);
      }
    }
  }
  void read_until_stopped(EventStore& log) {
    Position seen;
    while (!stopping) {
      const auto head = log.head({.deadline = system_clock().instant() + 10s});
      if (head) {
        EXPECT_GE(*head, seen) << "the log went backwards";
        seen = *head;
        if (const std::lock_guard lock(mutex); promoting && !read_again) {
          read_again = system_clock().instant();
        }
      }
      std::this_thread::sleep_for(5ms);
    }
  }
  /// Everything in order until so many events have come.
  static std::vector<std::uint64_t> follow(EventStore& log, const std::atomic<std::uint64_t>& until,
                                           const std::atomic<bool>& until_known) {
    std::vector<std::uint64_t> positions;
    auto subscription = log.subscribe({});
    EXPECT_TRUE(subscription);
    const auto give_up = system_clock().instant() + 90s;
    while (system_clock().instant() < give_up) {
      if (until_known && !positions.empty() && positions.back() >= until) break;
      auto step = (*subscription)->next(100ms);
      if (!step) {
        // The store was away; a subscriber goes on from where it is.
        std::this_thread::sleep_for(20ms);
        continue;
      }
      for (const auto& event : step->batch) positions.push_back(event.position().value);
    }
    return positions;
  }

  /// Under load the primary is ended and the replica promoted; `afterwards` is called once all goes
  /// on. Nothing acknowledged may be lost or doubled.
  void survive(const std::function<void()>& end_primary, const std::function<void()>& afterwards);

  /// While no replica is there. Servers begin with it a moment after they were told to.
  static bool has_commits_wait(const std::string& uri) {
    const ConnectOptions options{.uri = uri, .command_timeout = 100ms};
    for (int i = 0; i < 100; ++i) {
      const auto session = Session::connect(options, system_clock(), {}).value();
      if (!session->execute("CREATE TABLE IF NOT EXISTS probe (n int)")) return true;
      if (!session->execute("INSERT INTO probe VALUES (1)")) return true;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }

  PostgresCluster primary{{}};
  const std::string database = primary.new_database();
  PostgresCluster replica{{.replica_of = &primary}};

  std::atomic<bool> stopping = false;
  std::mutex mutex;
  std::map<std::string, Position> acknowledged;
  std::map<Code, int> failures;
  std::vector<std::string> unexpected;
  Instant last_acknowledged{};
  std::optional<Instant> promoting, recovered, read_again;
};

void Failover::survive(const std::function<void()>& end_primary,
                       const std::function<void()>& afterwards) {
  primary.wait_for_replica("replica");
  const auto store =
      Store::open({.uri = both(database, primary, replica)}, std::make_shared<engine::Threads>())
          .value();
  const auto log = store->open("default", {}).value();
  std::atomic<std::uint64_t> last = 0;
  std::atomic<bool> last_known = false;
  std::vector<std::uint64_t> followed;
  std::thread follower([&] { followed = follow(*log, last, last_known); });
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 4; ++writer) {
    threads.emplace_back([&, writer] { append_until_stopped(*log, writer); });
  }
  threads.emplace_back([&] { read_until_stopped(*log); });

  std::this_thread::sleep_for(1s);
  {
    const std::lock_guard lock(mutex);
    EXPECT_GT(acknowledged.size(), 10u);
  }
  end_primary();
  std::this_thread::sleep_for(500ms);  // nobody answers
  {
    const std::lock_guard lock(mutex);
    promoting = system_clock().instant();
  }
  replica.promote();
  const auto promoted = system_clock().instant();
  for (int i = 0; i < 600; ++i) {
    std::this_thread::sleep_for(50ms);
    if (const std::lock_guard lock(mutex); recovered && read_again) break;
  }
  afterwards();
  std::this_thread::sleep_for(1s);
  stopping = true;
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(recovered) << "nothing was appended after the fail-over";
  ASSERT_TRUE(read_again) << "nothing was read after the fail-over";
  EXPECT_THAT(unexpected, ::testing::IsEmpty());

  // What the new primary holds, as it says itself.
  last = std::stoull(run_sql(both(database, replica, replica),
                             "SELECT head FROM weir.log WHERE name = 'default'"));
  last_known = true;
  follower.join();
  std::map<std::string, std::uint64_t> found;
  std::uint64_t expected = 0;
  auto reading = log->read({});
  while (auto step = reading.next().value()) {
    for (const auto& event : step->batch) {
      EXPECT_EQ(event.position().value, ++expected) << "a gap";
      const auto data = std::string(event.data());
      EXPECT_TRUE(found.emplace(data, event.position().value).second) << data << " is there twice";
    }
  }
  EXPECT_EQ(expected, last);
  EXPECT_EQ(found.size(), acknowledged.size());
  for (const auto& [name, position] : acknowledged) {
    const auto at = found.find(fmt::format("{{\"name\":\"{}\"}}", name));
    ASSERT_NE(at, found.end()) << name << " was acknowledged and is lost";
    EXPECT_EQ(at->second, position.value);
  }
  ASSERT_EQ(followed.size(), expected) << "the subscriber missed or repeated something";
  for (std::uint64_t i = 0; i < expected; ++i) ASSERT_EQ(followed[i], i + 1);

  const auto ms = [](Instant::duration time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  };
  fmt::print(
      "{} acknowledged; promoting took {} ms; from asking for it to the first append {} ms,"
      " to the first read {} ms; {} attempts failed meanwhile\n",
      acknowledged.size(), ms(promoted - *promoting), ms(*recovered - *promoting),
      ms(*read_again - *promoting), failures[Code::unavailable]);
  EXPECT_LT(*recovered - promoted, 5s);
  EXPECT_LT(*read_again - promoted, 5s);
}

TEST_F(Failover, under_load_loses_and_doubles_nothing_that_was_acknowledged) {
  survive([this] { primary.kill(); }, [] {});
}

TEST_F(Failover,
       of_a_primary_that_hangs_loses_nothing_and_leaves_the_old_one_alone_when_it_goes_on) {
  const auto events_of_old = [this] {
    return run_sql(both(database, primary, primary), "SELECT count(*) FROM weir.event");
  };
  std::string after_thaw;
  survive([this] { primary.freeze(); },
          [&] {
            primary.thaw();
            // What was under way when it froze ends.
            std::this_thread::sleep_for(500ms);
            after_thaw = events_of_old();
          });
  EXPECT_EQ(events_of_old(), after_thaw) << "the old primary was written to";
  // Who begins now meets two that take writes, the old one first.
  const auto fresh = Database::open(both(database, primary, replica), {}, system_clock()).value();
  EXPECT_EQ(fresh->hosts().primary(), 1u);
  EXPECT_TRUE(fresh->create("another", {}, {}));
  EXPECT_EQ(run_sql(both(database, replica, replica),
                    "SELECT count(*) FROM weir.log WHERE name = 'another'"),
            "1");
}

TEST_F(Failover, finds_the_new_primary_though_the_old_one_hangs) {
  primary.wait_for_replica("replica");
  auto opening = patiently([&] {
    return Database::open(both(database, primary, replica),
                          {.readers = {.command_timeout = 300ms},
                           .connect_time_max = 300ms,
                           .lock_time_max = 200ms,
                           .write_time_max = 300ms},
                          system_clock());
  });
  ASSERT_TRUE(opening) << opening.error().message;
  const auto opened = std::move(opening).value();
  auto log = patiently([&] {
    const auto made = opened->create("default", {}, {});
    const bool there = made || made.error().code == Code::already_exists;
    return there ? opened->open_log("default", {}) : Result<Database::Opened>(made.error());
  });
  ASSERT_TRUE(log) << log.error().message;
  const auto backend = std::move(log->backend);
  auto opened_writer = patiently([&] { return backend->open_writer(); });
  ASSERT_TRUE(opened_writer) << opened_writer.error().message;
  const auto writer = std::move(opened_writer).value();
  const auto append = [&]() -> Result<void> {
    WEIR_TRY_ASSIGN(begun, writer->begin({}));
    const Event event = weir::event("T").json("{}");
    const engine::NewEvent added{.event = &event, .position = begun.head.next()};
    return writer->commit({.events = {&added, 1}});
  };
  const auto first = patiently(append);
  ASSERT_TRUE(first) << first.error().message;
  std::atomic<int> told = 0;
  backend->on_change_elsewhere([&] { ++told; });
  for (int i = 0; i < 1000 && told == 0; ++i) std::this_thread::sleep_for(5ms);

  primary.freeze();
  EXPECT_FALSE(append());
  EXPECT_FALSE(backend->head({}));
  const auto frozen = system_clock().instant();
  while (opened->health().front().status == HealthStatus::healthy) {
    ASSERT_LT(system_clock().instant() - frozen, 5s) << "nobody says that the primary hangs";
    std::this_thread::sleep_for(10ms);
  }
  replica.promote();
  const auto promoted = system_clock().instant();
  const auto appended = patiently(append);
  ASSERT_TRUE(appended) << appended.error().message;
  const auto head = patiently([&] { return backend->head({}); });
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(*head, Position(2));
  EXPECT_LT(system_clock().instant() - promoted, 10s);
  // The listener notices by asking, since nothing tells it.
  const auto before = told.load();
  auto elsewhere = Database::open(both(database, replica, replica), {}, system_clock());
  ASSERT_TRUE(elsewhere) << elsewhere.error().message;
  auto other_log = (*elsewhere)->open_log("default", {});
  ASSERT_TRUE(other_log) << other_log.error().message;
  auto other = other_log->backend->open_writer();
  ASSERT_TRUE(other) << other.error().message;
  for (int i = 0; i < 40 && told == before; ++i) {
    const auto begun = (*other)->begin({});
    ASSERT_TRUE(begun) << begun.error().message;
    const Event event = weir::event("T").json("{}");
    const engine::NewEvent added{.event = &event, .position = begun->head.next()};
    ASSERT_TRUE((*other)->commit({.events = {&added, 1}}));
    std::this_thread::sleep_for(500ms);
  }
  EXPECT_GT(told, before);
  backend->on_change_elsewhere(nullptr);
  primary.thaw();
}

TEST_F(Failover, is_waited_for_where_the_outcome_of_a_commit_is_unknown) {
  // The replica has the commit, but its answer never arrives; the new primary tells the truth.
  primary.wait_for_replica("replica");
  auto opened =
      Database::open(both(database, primary, replica), {.settle_time_max = 30s}, system_clock())
          .value();
  ASSERT_TRUE(opened->create("default", {}, {}));
  auto backend = opened->open_log("default", {}).value().backend;
  auto writer = backend->open_writer().value();
  run_sql(database,
          "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
          " $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;"
          "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON weir.event"
          " INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.type = 'held')"
          " EXECUTE FUNCTION hold()");
  const auto commit = [&](const char* type) {
    const auto begun = writer->begin({}).value();
    const Event event = weir::event(type).json("{}");
    const engine::NewEvent added{.event = &event, .position = begun.head.next()};
    return writer->commit({.events = {&added, 1}});
  };
  ASSERT_TRUE(commit("quick"));
  std::thread end([&] {
    std::this_thread::sleep_for(300ms);
    primary.kill();
    replica.promote();
  });
  const auto lost = commit("held");
  end.join();
  ASSERT_FALSE(lost);
  EXPECT_NE(lost.error().message.find("nothing was recorded"), std::string::npos)
      << lost.error().message;
  EXPECT_EQ(backend->head({}).value(), Position(1));
  EXPECT_TRUE(commit("quick"));
  EXPECT_EQ(backend->head({}).value(), Position(2));
}

TEST_F(Failover, does_not_let_a_commit_count_that_no_replica_has) {
  primary.wait_for_replica("replica");
  auto opened = Database::open(both(database, primary, replica),
                               {.write_time_max = 500ms, .settle_time_max = 2s}, system_clock())
                    .value();
  ASSERT_TRUE(opened->create("default", {}, {}));
  auto backend = opened->open_log("default", {}).value().backend;
  auto writer = backend->open_writer().value();
  const auto begun = writer->begin({}).value();
  replica.stop();
  ASSERT_TRUE(has_commits_wait(database));
  const Event event = weir::event("T").json("{}");
  const engine::NewEvent added{.event = &event, .position = begun.head.next()};
  // It is on the primary's disk, where a new connection could see it.
  const auto committed = writer->commit({.events = {&added, 1}});
  ASSERT_FALSE(committed);
  EXPECT_NE(committed.error().message.find("unknown"), std::string::npos)
      << committed.error().message;
  replica.start();
  EXPECT_EQ(writer->begin({}).value().head, Position(1));
  writer->rollback();
}

}  // namespace
}  // namespace weir::postgres
