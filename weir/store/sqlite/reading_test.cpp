#include <gtest/gtest.h>

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

}  // namespace
}  // namespace weir::sqlite
