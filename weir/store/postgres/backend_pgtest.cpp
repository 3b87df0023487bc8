#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <random>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>
#include <weir/store/postgres/database.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using weir::testing_support::OpenLog;
using weir::testing_support::positions;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

class Backend : public ::testing::Test {
 protected:
  /// Counts how often the log's listener is called from now on.
  void listen() {
    log.backend->on_change_elsewhere([this] { ++told; });
  }
  bool told_within(int count, std::chrono::milliseconds time) const {
    for (auto left = time; left > 0ms && told < count; left -= 5ms) {
      std::this_thread::sleep_for(5ms);
    }
    return told >= count;
  }

  std::atomic<int> told = 0;
  const std::string uri = PostgresCluster::shared().new_database();
  OpenLog log = OpenLog::create(uri, {.indexed_keys = {"reader"}});
};

Event lent(std::string book, std::string reader) {
  return event("BookCopyLent")
      .json({{"reader", reader}})
      .tagged("book:" + book, "reader:" + reader);
}

TEST_F(Backend, gives_back_every_field_of_an_event) {
  Event all = lent("dune", "ada").with("traceparent", "00-1").with("b", "").with("a", "\"\\{},");
  all.id = make_uuid_of("one");
  all.tags.push_back("with \"quotes\", {braces} and \\");
  all.tags.push_back("");
  all.content_type = "application/cloudevents+json";
  all.occurred_at = Timestamp(-12'345'678us);
  const Tracking tracking{.source = "elsewhere", .position = UINT64_MAX};
  log.append({all}, {.tracking = &tracking});

  const auto [event] = log.read<1>({});
  EXPECT_EQ(event.position, Position(1));
  EXPECT_EQ(event.id, all.id);
  EXPECT_EQ(event.type, all.type);
  EXPECT_EQ(event.tags, all.tags);
  EXPECT_EQ(event.data, all.data);
  EXPECT_EQ(event.content_type, all.content_type);
  EXPECT_EQ(event.metadata, all.metadata);
  EXPECT_EQ(event.occurred_at, *all.occurred_at);
  EXPECT_EQ(event.recorded_at, log.recorded_at);
  EXPECT_EQ(event.tracking, tracking);
}

TEST_F(Backend, gives_back_payloads_byte_for_byte) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  const std::vector<std::pair<std::string, std::string>> payloads = {
      {"", R"({ "a" : 1.0e+00,"a":9007199254740993000000000000000000000001 })"},
      {"", R"("\u0000 \/ caf\u00e9")"},
      {"text/plain", every_byte},
      {"text/plain", std::string("nul\0nul", 7)},
      {"text/plain", ""},
      {"text/plain", "{\"half\":"},
      {"application/octet-stream", std::string(1 << 20, '\xff')}};
  for (const auto& [content_type, data] : payloads) {
    log.append({Event{.type = "T", .tags = {"t"}, .data = data, .content_type = content_type}});
  }
  std::vector<std::pair<std::string, std::string>> read;
  for (const auto& event : log.read_all({.query = Query{}.tagged("t")})) {
    read.emplace_back(event.content_type, event.data);
  }
  EXPECT_EQ(read, payloads);
}

TEST_F(Backend, keeps_texts_that_contain_u0000) {
  const auto nul = [](const char* rest) { return std::string("a\0", 2) + rest; };
  Event odd = Event{.type = nul("type"), .tags = {nul("tag"), "plain"}, .data = "{}"};
  odd.metadata = {{nul("key"), nul("value")}};
  const Tracking tracking{.source = nul("source"), .position = 7};
  log.append({odd, lent("dune", "ada")}, {.tracking = &tracking});

  for (const auto& query :
       {Query{}.tagged(nul("tag")), Query{}.of_type(nul("type")), Query{}.tagged("plain")}) {
    const auto [event] = log.read<1>({.query = query});
    EXPECT_EQ(event.type, odd.type);
    EXPECT_EQ(event.tags, odd.tags);
    EXPECT_EQ(event.metadata, odd.metadata);
    EXPECT_EQ(event.tracking, tracking);
  }
  EXPECT_EQ(log.backend->tracked(nul("source"), {}).value(), 7u);
}

TEST_F(Backend, keeps_tracked_positions_of_64_bits_without_sign) {
  const Tracking high{.source = "a", .position = UINT64_MAX};
  const Tracking low{.source = "b", .position = 1};
  log.append({lent("dune", "ada")}, {.tracking = &high});
  log.append({lent("dune", "ada")}, {.tracking = &low});
  EXPECT_EQ(log.backend->tracked("a", {}).value(), UINT64_MAX);
  EXPECT_EQ(log.backend->tracked("b", {}).value(), 1u);
  EXPECT_EQ(log.backend->tracked("c", {}).value(), std::nullopt);
}

TEST_F(Backend, tells_a_writer_what_others_appended) {
  auto other = OpenLog::open(uri);
  other.append({lent("dune", "ada"), lent("emma", "bob")});
  const auto begun = log.writer->begin({.known = Position(1), .missed_max = 100}).value();
  EXPECT_EQ(begun.head, Position(2));
  EXPECT_EQ(begun.recorded_at, other.recorded_at);
  EXPECT_THAT(positions(begun.missed), ElementsAre(2));
  log.writer->rollback();
}

TEST_F(Backend, tells_only_the_newest_when_more_were_missed_than_are_of_use) {
  auto other = OpenLog::open(uri);
  other.append(std::vector<Event>(10, lent("dune", "ada")));
  const auto begun = log.writer->begin({.missed_max = 3}).value();
  EXPECT_THAT(positions(begun.missed), ElementsAre(8, 9, 10));
  log.writer->rollback();
}

TEST_F(Backend, lets_only_one_writer_of_all_processes_begin_at_a_time) {
  auto other = OpenLog::open(uri);
  ASSERT_TRUE(log.writer->begin({}));
  auto second = std::async(std::launch::async, [&] { return other.writer->begin({}).ok(); });
  EXPECT_EQ(second.wait_for(200ms), std::future_status::timeout);
  log.writer->rollback();
  EXPECT_TRUE(second.get());
  other.writer->rollback();
}

TEST_F(Backend, gives_up_on_the_lock_after_its_time) {
  auto other = OpenLog::open(uri, {.lock_time_max = 100ms});
  ASSERT_TRUE(log.writer->begin({}));
  const auto begun = other.writer->begin({});
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Code::unavailable);  // nothing was written; it may be tried again
  log.writer->rollback();
  EXPECT_TRUE(other.writer->begin({}));
}

TEST_F(Backend, appends_of_racing_writers_follow_each_other_without_gaps) {
  constexpr int writers = 4, appends = 50;
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      auto mine = OpenLog::open(uri);
      for (int i = 0; i < appends; ++i) mine.append({lent(fmt::format("{}", w), "ada")});
    });
  }
  for (auto& thread : threads) thread.join();
  std::uint64_t expected = 0;
  for (const auto& event : log.read_all({})) EXPECT_EQ(event.position.value, ++expected);
  EXPECT_EQ(expected, writers * appends);
}

TEST_F(Backend, finds_a_recorded_idempotency_key) {
  const engine::KeyRecord record{
      .key = std::string("key\0\xC3\xA9", 6),
      .fingerprint = {.high = UINT64_MAX, .low = 2},
      .answer = {.first = Position(1), .last = Position(1), .recorded_at = Timestamp(77us)}};
  log.append({lent("dune", "ada")}, {.keys = {record}});
  const std::string_view wanted[] = {"other", record.key};
  const auto begun = log.writer->begin({.keys = wanted}).value();
  log.writer->rollback();
  ASSERT_EQ(begun.keys.size(), 1u);
  EXPECT_EQ(begun.keys[0].key, record.key);
  EXPECT_EQ(begun.keys[0].fingerprint, record.fingerprint);
  EXPECT_EQ(begun.keys[0].answer, record.answer);
}

TEST_F(Backend, forgets_keys_that_have_expired) {
  const auto key = [](const char* name, std::int64_t at) {
    return engine::KeyRecord{.key = name, .answer = {.recorded_at = Timestamp(at * 1us)}};
  };
  log.append({lent("dune", "ada")}, {.keys = {key("old", 10), key("young", 20)}});
  log.append({lent("dune", "ada")}, {.keys = {key("new", 30)}, .keys_expire_before = 20});
  const std::string_view wanted[] = {"old", "young", "new"};
  const auto begun = log.writer->begin({.keys = wanted}).value();
  log.writer->rollback();
  std::vector<std::string> left;
  for (const auto& record : begun.keys) left.push_back(record.key);
  EXPECT_THAT(left, ::testing::UnorderedElementsAre("young", "new"));
}

TEST_F(Backend, writes_nothing_when_it_rolls_back) {
  ASSERT_TRUE(log.writer->begin({}));
  log.writer->rollback();
  EXPECT_EQ(log.backend->head({}).value(), Position());
  log.append({lent("dune", "ada")});
  EXPECT_EQ(log.backend->head({}).value(), Position(1));
}

TEST_F(Backend, commits_to_the_disk_though_the_role_would_not) {
  const auto database = uri.substr(uri.rfind('/') + 1);
  run_sql(uri, "ALTER DATABASE " + database + " SET synchronous_commit = off");
  run_sql(uri,
          "CREATE TABLE seen (setting text);"
          "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
          " INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL;"
          " END $$;"
          "CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON weir.log INITIALLY DEFERRED"
          " FOR EACH ROW EXECUTE FUNCTION see()");
  auto fresh = OpenLog::open(uri);
  fresh.append({lent("dune", "ada")});
  EXPECT_EQ(run_sql(uri, "SELECT setting FROM seen"), "on");
}

TEST_F(Backend, tells_listeners_of_appends_by_others_and_not_of_its_own) {
  auto other = OpenLog::open(uri);
  listen();
  ASSERT_TRUE(told_within(1, 5s));  // once it listens, since something may have been missed
  log.append({lent("dune", "ada")});
  EXPECT_FALSE(told_within(2, 100ms));
  other.append({lent("dune", "ada")});
  EXPECT_TRUE(told_within(2, 5s));
  // A connection that breaks is made anew, and then it may have missed something.
  run_sql(uri,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
          " AND datname = current_database()");
  EXPECT_TRUE(told_within(3, 5s));
  log.backend->on_change_elsewhere(nullptr);
}

// After a restart of the server the process of another's writer may have the number that our
// writer's had; the other was not heard any more.
TEST_F(Backend, tells_listeners_of_appends_by_others_whatever_their_process_numbers) {
  run_sql(uri,
          "CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
          " PERFORM pg_notify('weir_append', NEW.id || ' ' || gen_random_uuid());"
          " PERFORM pg_notify('weir_append', NEW.id::text);"  // an earlier version
          " RETURN NULL; END $$;"
          "CREATE TRIGGER announce AFTER UPDATE ON weir.log FOR EACH ROW"
          " EXECUTE FUNCTION announce()");
  listen();
  ASSERT_TRUE(told_within(1, 5s));
  log.append({lent("dune", "ada")});
  EXPECT_TRUE(told_within(3, 5s));
  log.backend->on_change_elsewhere(nullptr);
}

// Where a server had no connection left for listening, subscribers never heard of others.
TEST_F(Backend, tells_listeners_now_and_then_while_it_cannot_listen) {
  const auto name = uri.substr(uri.rfind('/') + 1);
  run_sql(uri, "ALTER DATABASE " + name + " SET default_transaction_read_only = on");
  listen();  // on a connection to what takes writes
  EXPECT_TRUE(told_within(2, 20s));
  EXPECT_TRUE(log.backend->head({}));
  log.backend->on_change_elsewhere(nullptr);
}

TEST_F(Backend, keeps_snapshots_that_never_go_back) {
  Snapshot snapshot{.key = {"loans", "abc"},
                    .position = Position(5),
                    .data = std::string("\0\xff", 2),
                    .saved_at = Timestamp(5us)};
  EXPECT_EQ(log.backend->load_snapshot(snapshot.key, {}).value(), std::nullopt);
  EXPECT_TRUE(log.backend->save_snapshot(snapshot, {}).value());
  EXPECT_EQ(log.backend->load_snapshot(snapshot.key, {}).value(), snapshot);
  auto older = snapshot;
  older.position = Position(4);
  EXPECT_FALSE(log.backend->save_snapshot(older, {}).value());
  EXPECT_EQ(log.backend->load_snapshot(snapshot.key, {}).value(), snapshot);
  snapshot.data = "again";
  EXPECT_TRUE(log.backend->save_snapshot(snapshot, {}).value());
  EXPECT_EQ(log.backend->load_snapshot(snapshot.key, {}).value(), snapshot);
  EXPECT_TRUE(log.backend->delete_snapshot(snapshot.key, {}));
  EXPECT_TRUE(log.backend->delete_snapshot(snapshot.key, {}));
  EXPECT_EQ(log.backend->load_snapshot(snapshot.key, {}).value(), std::nullopt);
}

TEST_F(Backend, stops_reading_at_the_callers_deadline) {
  const auto step = log.backend->read_step({.call = {.deadline = system_clock().instant() - 1ms}});
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, Code::deadline_exceeded);
}

TEST_F(Backend, has_the_server_stop_a_read_whose_caller_gives_up) {
  log.append({lent("dune", "ada")});
  // The read waits for the table until it is cancelled.
  auto blocker = Session::connect({.uri = uri}, system_clock(), {}).value();
  ASSERT_TRUE(blocker->run_script("BEGIN; LOCK TABLE weir.event IN ACCESS EXCLUSIVE MODE", {}));
  const auto waiting = [&] {
    return run_sql(uri,
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND wait_event_type = 'Lock' AND query LIKE 'WITH bound%'");
  };
  const auto becomes = [&](const char* count) {
    for (int i = 0; i < 1000 && waiting() != count; ++i) std::this_thread::sleep_for(5ms);
    return waiting() == count;
  };
  std::stop_source stop;
  auto reading = std::async(std::launch::async, [&] {
    return log.backend->read_step({.call = {.stop = stop.get_token()}});
  });
  ASSERT_TRUE(becomes("1"));
  stop.request_stop();
  EXPECT_EQ(reading.get().error().code, Code::cancelled);
  EXPECT_TRUE(becomes("0"));

  auto late = std::async(std::launch::async, [&] {
    return log.backend->read_step({.call = {.deadline = system_clock().instant() + 500ms}});
  });
  ASSERT_TRUE(becomes("1"));
  EXPECT_EQ(late.get().error().code, Code::deadline_exceeded);
  EXPECT_TRUE(becomes("0"));
  ASSERT_TRUE(blocker->run_script("ROLLBACK", {}));
}

TEST_F(Backend, survives_a_server_that_dropped_its_idle_connections) {
  log.append({lent("dune", "ada")});
  log.read<1>({});
  run_sql(uri,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
          " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  EXPECT_EQ(log.backend->head({}).value(), Position(1));
  log.append({lent("dune", "ada")});
  EXPECT_EQ(log.backend->head({}).value(), Position(2));
}

}  // namespace
}  // namespace weir::postgres
