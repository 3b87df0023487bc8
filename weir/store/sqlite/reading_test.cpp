#include <gtest/gtest.h>

#include <future>
#include <thread>

#include <fmt/format.h>

#include <weir/store/sqlite/store.hpp>
#include <weir/store/testing/memory_store.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

/// A log in a file that a few stores write in turn, each of which keeps only its own newest events,
/// and the same log in memory.
struct Scans : ::testing::Test {
  static constexpr std::size_t stores_count = 2;
  /// Two chunks of the newest events each, of some 250 events.
  static constexpr std::size_t event_cache_bytes = 4 * RecentEvents::chunk_bytes;

  testing_support::TemporaryFolder folder;
  testing::MemoryStore oracle{"default"};
  std::vector<std::shared_ptr<EventStore>> logs;

  Scans() {
    for (std::size_t i = 0; i < stores_count; ++i) {
      auto store = Store::open({.path = folder.file("log.db"),
                                .segment_events = 64,
                                .event_cache_bytes = event_cache_bytes,
                                .list_cache_bytes = 0},
                               std::make_shared<engine::Threads>());
      logs.push_back(store.value()->open("default", {}).value());
    }
  }

  void append(std::size_t which, std::size_t events) {
    AppendRequest request;
    for (std::size_t i = 0; i < events; ++i) {
      Event event{.type = i % 3 == 0 ? "Third" : "Other",
                  .tags = {fmt::format("number:{}", i)},
                  .data = fmt::format(R"({{"text":"{}"}})", std::string(900, 'x'))};
      event.id = make_uuid_v7(Timestamp());
      request.events.push_back(std::move(event));
    }
    ASSERT_TRUE(logs[which]->append(request));
    ASSERT_TRUE(oracle.append(request));
  }

  static std::vector<std::string> all_of(EventStore& log, ReadRequest request) {
    std::vector<std::string> events;
    auto stream = log.read(std::move(request));
    while (true) {
      const auto step = stream.next().value();
      if (!step) return events;
      for (const auto& event : step->batch) {
        events.push_back(fmt::format("{} {} {} {}", event.position().value, event.type(),
                                     to_string(*event.id()), event.data().size()));
      }
    }
  }

  void expect_the_same(const ReadRequest& request) {
    const auto expected = all_of(oracle, request);
    for (auto& log : logs) {
      EXPECT_EQ(all_of(*log, request), expected)
          << "after " << request.after.value << ", until "
          << request.until.value_or(Position()).value << ", limit " << request.limit.value_or(0);
    }
  }
};

TEST_F(Scans, join_what_is_in_memory_and_what_is_only_in_the_file) {
  // Of each store's events the first have made room for later ones, and between those that are in
  // memory lie the other's.
  for (int i = 0; i < 40; ++i) append(static_cast<std::size_t>(i) % stores_count, 25);
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    for (const std::size_t batch : {7, 1000}) {
      for (const auto after : {0, 1, 480, 499, 500, 501, 775, 990, 1000, 1001}) {
        ReadRequest request{
            .after = Position(after), .direction = direction, .batch_events_max = batch};
        expect_the_same(request);
        request.limit = 60;
        expect_the_same(request);
        request.until = Position(after + 130);
        expect_the_same(request);
      }
    }
  }
}

TEST_F(Scans, judge_each_event_wherever_it_lies) {
  for (int i = 0; i < 20; ++i) append(static_cast<std::size_t>(i) % stores_count, 50);
  // Two thirds of the log, and a payload that is not indexed: neither is worth the index.
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    expect_the_same({.query = Query{}.of_type("Other"), .direction = direction});
    expect_the_same({.query = Query{}.where("text", std::string(900, 'x')),
                     .after = Position(333),
                     .direction = direction,
                     .limit = 300});
    expect_the_same({.query = Query{}.where("text", "y"), .direction = direction});
  }
}

/// Reads by callbacks that never block, of a file that two processes' stores have open.
struct AtOnce : ::testing::Test {
  testing_support::TemporaryFolder folder;
  std::shared_ptr<EventStore> log = open(), other = open();

  std::shared_ptr<EventStore> open() const {
    auto store = Store::open({.path = folder.file("log.db"),
                              .engine = {.committer = {.callbacks_never_block = true}},
                              .segment_events = 64},
                             std::make_shared<engine::Threads>(true));
    return store.value()->open("default", {}).value();
  }

  static void append(EventStore& to, std::size_t events, const std::string& tag) {
    AppendRequest request;
    for (std::size_t i = 0; i < events; ++i) {
      request.events.push_back({.type = "Thing", .tags = {tag}, .data = "{}"});
    }
    ASSERT_TRUE(to.append(std::move(request)));
  }

  /// What is found, and whether the calling thread has answered.
  static std::pair<std::size_t, bool> find(EventStore& in, ReadRequest request) {
    std::promise<std::pair<std::size_t, bool>> answer;
    in.read_step(
        std::move(request), [&, caller = std::this_thread::get_id()](const Result<ReadStep>& step) {
          answer.set_value({step.value().batch.size(), std::this_thread::get_id() == caller});
        });
    return answer.get_future().get();
  }
  /// The same until it has; the index, which is written meanwhile, has to be looked at now and
  /// then.
  static std::size_t find_at_once(EventStore& in, const ReadRequest& request) {
    for (int i = 0; i < 1000; ++i) {
      const auto [found, here] = find(in, request);
      if (here) return found;
    }
    ADD_FAILURE() << "never answered by the calling thread";
    return 0;
  }
};

TEST_F(AtOnce, are_small_reads_of_what_is_in_memory) {
  append(*log, 10, "few");
  EXPECT_EQ(find_at_once(*log, {.query = Query{}.tagged("few")}), 10u);
  // Runs are made of these; what they hold of the tag is known from the tail.
  for (int i = 0; i < 20; ++i) append(*log, 64, "many");
  append(*log, 1, "few");
  EXPECT_EQ(find_at_once(*log, {.query = Query{}.tagged("few")}), 11u);
  EXPECT_EQ(find_at_once(*log, {.query = Query{}.tagged("few"), .limit = 3}), 3u);
}

TEST_F(AtOnce, are_not_those_of_much_nor_those_that_are_shared_out) {
  append(*log, 10, "few");
  append(*log, 1000, "many");
  EXPECT_EQ(find_at_once(*log, {.query = Query{}.tagged("few")}), 10u);
  const auto not_here = [](std::size_t found) { return std::pair(found, false); };
  EXPECT_EQ(find(*log, {.query = Query{}.tagged("few"), .may_answer_here = false}), not_here(10));
  EXPECT_EQ(find(*log, {.query = Query{}.tagged("many")}), not_here(1000));
  EXPECT_EQ(find(*log, {}), not_here(1000)) << "a full step of everything";
}

// What another process has appended must be seen by whoever asks after that.
TEST_F(AtOnce, see_everything_that_was_appended_before_by_whomever) {
  for (std::size_t i = 1; i <= 200; ++i) {
    append(i % 3 == 0 ? *log : *other, 1, "both");
    EXPECT_EQ(find(*log, {.query = Query{}.tagged("both")}).first, i);
    EXPECT_EQ(find(*other, {.query = Query{}.tagged("both")}).first, i);
    std::promise<Position> head;
    log->head({}, [&](const Result<Position>& at) { head.set_value(at.value()); });
    EXPECT_EQ(head.get_future().get().value, i);
    EXPECT_EQ(log->head().value().value, i);
  }
}

}  // namespace
}  // namespace weir::sqlite
