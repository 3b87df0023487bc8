#include <gtest/gtest.h>

#include <sys/file.h>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <fmt/format.h>

#include <weir/store/sqlite/indexer.hpp>
#include <weir/store/sqlite/store.hpp>
#include <weir/store/sqlite/verify.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

/// A log's file that several processes have open; here each is a set of objects, which share no
/// more than processes do.
struct SharedFile : ::testing::Test {
  static constexpr std::size_t segment_events = 64;

  testing_support::TemporaryFolder folder;
  const std::string path = folder.file("log.db");

  struct Process {
    std::shared_ptr<File> file;
    std::shared_ptr<IndexQueue> queue = std::make_shared<IndexQueue>();
    std::shared_ptr<WriteConnection> connection;
    std::unique_ptr<Indexer> indexer;

    explicit Process(const std::string& path)
        : file(
              File::open({.path = path, .create = true, .segment_events = segment_events}).value()),
          connection(std::make_shared<WriteConnection>(file, queue)) {}
    void keep_index() { indexer = std::make_unique<Indexer>(file, connection, queue); }
  };

  static std::shared_ptr<EventStore> open_log(const std::string& path) {
    auto store = Store::open({.path = path, .segment_events = segment_events},
                             std::make_shared<engine::Threads>());
    return store.value()->open("default", {}).value();
  }

  static void append(EventStore& log, std::size_t events, const std::string& type = "Else") {
    constexpr std::size_t at_once = 1000;
    for (std::size_t done = 0; done < events; done += at_once) {
      AppendRequest request;
      for (std::size_t i = done; i < std::min(events, done + at_once); ++i) {
        request.events.push_back(
            {.type = type, .tags = {fmt::format("number:{}", i % 10)}, .data = "{}"});
      }
      const auto appended = log.append(request);
      ASSERT_TRUE(appended) << to_string(appended.error());
    }
  }

  template <class Condition>
  static void wait_until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_TRUE(condition());
  }

  std::int64_t number(const std::string& sql) const {
    auto session = Session::open({.path = path}).value();
    return session.query_integer(sql.c_str()).value();
  }
  /// Waits until all but the last segments of the log are in runs.
  void wait_for_index() const {
    wait_until([&] {
      return number(
                 "SELECT (SELECT max(position) FROM event) - "
                 "(SELECT ifnull(max(last_position), 0) FROM run)") <=
             static_cast<std::int64_t>(segment_events);
    });
  }
  /// Whether somebody has the lock of whoever keeps the index.
  bool is_kept() const {
    const int file = ::open((path + "-indexer").c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) return false;
    const bool kept = ::flock(file, LOCK_EX | LOCK_NB) != 0;
    ::close(file);
    return kept;
  }
  std::vector<std::string> damages() const {
    std::vector<std::string> found;
    const auto verified =
        verify_file(path, [&](const std::string& damage) { found.push_back(damage); });
    EXPECT_TRUE(verified);
    return found;
  }
};

using Index = SharedFile;

TEST_F(Index, has_what_others_appended_while_its_keeper_did_not_look) {
  const auto keeper = open_log(path);
  append(*keeper, 1);
  wait_until([&] { return is_kept(); });
  const auto other = open_log(path);
  append(*other, 10, "Rare");
  append(*other, 40'000);  // more than the keeper takes up at once
  append(*keeper, 10 * segment_events);
  wait_for_index();

  EXPECT_EQ(damages(), std::vector<std::string>());
  for (const auto& log : {keeper, other, open_log(path)}) {
    const auto query = Query{}.of_type("Rare");
    EXPECT_EQ(log->read({.query = query}).collect()->events.size(), 10);
    const auto refused = log->append({.events = {{.type = "Rare", .data = "{}"}},
                                      .condition = Condition{.fail_if_events_match = query}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::aborted);
  }
}

TEST_F(Index, is_brought_up_to_what_others_append_by_an_idle_keeper) {
  const auto keeper = open_log(path);
  append(*keeper, 1);
  wait_until([&] { return is_kept(); });
  const auto other = open_log(path);
  append(*other, 20 * segment_events);
  wait_until([&] {
    return number("SELECT max(last_position) FROM run") > 18 * std::int64_t{segment_events};
  });
  EXPECT_EQ(damages(), std::vector<std::string>());
}

TEST_F(Index, lets_go_of_what_tails_hold_and_runs_too) {
  Process keeper(path), other(path);
  keeper.keep_index();
  ASSERT_TRUE(keeper.indexer->settle());
  other.keep_index();
  constexpr std::size_t events = 100'000;
  append(*open_log(path), events);
  const std::vector<std::uint32_t> counts(events, 1);
  const std::vector<engine::Term> terms(events, 7);
  for (auto* process : {&keeper, &other}) process->file->tail()->append(Position(1), counts, terms);
  const auto let_go = [](const Process& process) {
    return process.file->tail()->begin() > Position(30'000);
  };
  wait_until([&] { return let_go(keeper); });
  // It does not keep the index, and nobody reads from it.
  wait_until([&] { return let_go(other); });
}

// A process that appends little commits nothing but that.
TEST_F(Index, is_taken_over_once_there_is_something_to_do) {
  append(*open_log(path), segment_events - 1);
  Process process(path);
  process.keep_index();
  wait_until([&] { return is_kept(); });
  ASSERT_TRUE(process.indexer->settle());
  EXPECT_EQ(number("SELECT value FROM meta WHERE key = 'index_generation'"), 0);
  append(*open_log(path), 1);
  wait_until([&] { return number("SELECT count(*) FROM run") == 1; });
}

TEST_F(Index, is_planned_anew_when_the_log_was_put_back) {
  const auto log = open_log(path);
  append(*log, 20 * segment_events);
  wait_for_index();
  {
    // Back to before anything was indexed.
    auto session = Session::open({.path = path}).value();
    ASSERT_TRUE(session.execute(
        "BEGIN IMMEDIATE; DELETE FROM event WHERE position > 50; DELETE FROM run; "
        "DELETE FROM block; UPDATE meta SET value = 0 WHERE key = 'index_generation'; COMMIT"));
  }
  append(*log, 5 * segment_events, "New");
  wait_for_index();
  EXPECT_EQ(damages(), std::vector<std::string>());
  EXPECT_EQ(log->read({.query = Query{}.of_type("New")}).collect()->events.size(),
            5 * segment_events);
}

TEST_F(Index, is_left_to_whoever_took_it_over_last) {
  append(*open_log(path), 1);
  Process first(path), second(path);
  ASSERT_TRUE(first.connection->take_index());
  first.queue->push(InsertBlock{.id = 1, .postings = "x"});
  ASSERT_TRUE(second.connection->take_index());
  second.queue->push(InsertBlock{.id = 1, .postings = "y"});
  for (auto* process : {&first, &second}) {
    ASSERT_TRUE(process->connection->begin());
    ASSERT_TRUE(process->connection->commit(1000));
  }
  EXPECT_TRUE(first.queue->lost());
  EXPECT_FALSE(second.queue->lost());
  EXPECT_EQ(number("SELECT count(*) FROM block WHERE postings = CAST('y' AS BLOB)"), 1);
}

TEST_F(Index, is_begun_again_when_its_steps_fail_and_never_stops_an_append) {
  const auto log = open_log(path);
  append(*log, 1);
  Process process(path);
  ASSERT_TRUE(process.connection->take_index());
  for (int i = 0; i < 2; ++i) process.queue->push(InsertBlock{.id = 1, .postings = "x"});
  ASSERT_TRUE(process.connection->begin());
  EXPECT_FALSE(process.connection->commit(1000));
  EXPECT_TRUE(process.queue->lost());
  ASSERT_TRUE(process.connection->begin());
  EXPECT_TRUE(process.connection->commit(1000));
}

}  // namespace
}  // namespace weir::sqlite
