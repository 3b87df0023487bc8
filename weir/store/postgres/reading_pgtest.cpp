#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>
#include <weir/base/json.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

/// Few types, tags and values, so that random queries match often and terms differ in frequency.
class RandomLog {
 public:
  explicit RandomLog(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  std::string type() { return fmt::format("type-{}", below(4) * below(4)); }
  std::string tag() { return fmt::format("tag-{}", below(6) * below(6)); }
  Predicate predicate() {
    return {below(2) == 0 ? "indexed" : "other", fmt::format("{}", below(3))};
  }

  Event event() {
    Event event = weir::event(type()).json(
        fmt::format(R"({{"indexed":"{}","other":"{}","number":1}})", below(3), below(3)));
    for (std::size_t i = below(4); i > 0; --i) event.tags.push_back(tag());
    event.occurred_at = Timestamp(std::chrono::microseconds(below(1000)));
    return event;
  }

  Query query() {
    Query query;
    for (std::size_t i = below(4); i > 0; --i) {
      QueryItem item;
      for (std::size_t t = below(3); t > 0; --t) item.types.push_back(type());
      for (std::size_t t = below(3); t > 0; --t) item.tags.push_back(tag());
      for (std::size_t t = below(6) / 3; t > 0; --t) item.where.push_back(predicate());
      item.where_any = below(2) == 0;
      query.items.push_back(std::move(item));
    }
    return query;
  }

  ReadRequest request(std::size_t head) {
    ReadRequest request{.query = query()};
    if (below(2) == 0) request.after = Position(below(head + 10));
    if (below(2) == 0) request.until = Position(below(head + 10));
    if (below(2) == 0) request.direction = Direction::backwards;
    if (below(3) == 0) request.limit = below(20);
    if (below(3) == 0) request.occurred.from = Timestamp(std::chrono::microseconds(below(500)));
    if (below(3) == 0) {
      request.occurred.until = Timestamp(std::chrono::microseconds(500 + below(500)));
    }
    request.batch_events_max = below(8) == 0 ? 1 + below(5) : 50 + below(500);
    if (below(2) == 0) request.batch_bytes_max = 8192 + below(20'000);
    return request;
  }

 private:
  std::mt19937_64 random_;
};

/// The meaning of a read, by looking at every event.
std::vector<std::uint64_t> expected(const std::vector<Event>& events, const ReadRequest& request) {
  std::vector<std::uint64_t> found;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Position position(i + 1);
    const std::vector<std::string_view> tags(events[i].tags.begin(), events[i].tags.end());
    if (position <= request.after || (request.until && position > *request.until)) continue;
    if (request.occurred.from && *events[i].occurred_at < *request.occurred.from) continue;
    if (request.occurred.until && *events[i].occurred_at > *request.occurred.until) continue;
    if (!matches(request.query, {events[i].type, tags, events[i].data})) continue;
    found.push_back(position.value);
  }
  if (request.direction == Direction::backwards) std::reverse(found.begin(), found.end());
  if (request.limit && found.size() > *request.limit) found.resize(*request.limit);
  return found;
}

TEST(Reading, finds_what_looking_at_every_event_finds) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomLog random(seed);
  auto log =
      OpenLog::create(PostgresCluster::shared().new_database(), {.indexed_keys = {"indexed"}});
  std::vector<Event> events;
  for (int i = 0; i < 3000; ++i) events.push_back(random.event());
  log.append(events);

  for (int round = 0; round < 300; ++round) {
    const auto request = random.request(events.size());
    SCOPED_TRACE(fmt::format("round {} of {}", round, to_json(request.query)));
    std::vector<std::uint64_t> found;
    for (const auto& event : log.read_all(request)) found.push_back(event.position.value);
    ASSERT_EQ(found, expected(events, request));
  }
}

class LongLog : public ::testing::Test {
 protected:
  // 60,000 events: "common" is on all of them, "half" on every other one, "rare" on 25, "end" on
  // the last.
  static OpenLog& log() {
    static OpenLog log = [] {
      auto made = OpenLog::create(PostgresCluster::shared().new_database());
      for (int i = 0; i < 60; ++i) made.append(thousand(i));
      return made;
    }();
    return log;
  }
  static std::vector<Event> thousand(int number) {
    std::vector<Event> events;
    for (int i = 0; i < 1000; ++i) {
      const int n = number * 1000 + i;
      events.push_back(event(n % 2 == 0 ? "Even" : "Odd").tagged("common"));
      events.back().data = "{}";
      if (n % 2 == 0) events.back().tags.push_back("half");
      if (n % 2400 == 0) events.back().tags.push_back("rare");
      if (n == 59'999) events.back().tags.push_back("end");
    }
    return events;
  }
  static std::size_t steps_of(ReadRequest request) {
    std::size_t steps = 1;
    for (;; ++steps) {
      const auto step = log().backend->read_step(request).value();
      if (step.end) return steps;
      if (request.direction == Direction::forwards)
        request.after = step.cursor;
      else
        request.until = step.cursor.previous();
    }
  }
};

TEST_F(LongLog, a_rare_tag_is_read_in_one_step_whatever_it_is_joined_with) {
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    for (auto query : {Query{}.tagged("rare"), Query{}.tagged("common", "rare"),
                       Query{}.tagged("common", "half", "rare").of_type("Even")}) {
      const ReadRequest request{.query = query, .direction = direction};
      EXPECT_EQ(log().read_all(request).size(), 25u);
      EXPECT_EQ(steps_of(request), 1u) << to_json(query);
    }
  }
}

TEST_F(LongLog, a_step_ends_though_nothing_matches) {
  // No event is Odd and "half", but each has one of the two: 30,000 postings must be looked at.
  const ReadRequest request{.query = Query{}.tagged("half").of_type("Odd")};
  const auto step = log().backend->read_step(request).value();
  EXPECT_TRUE(step.batch.empty());
  EXPECT_FALSE(step.end);
  EXPECT_GE(step.cursor, Position(1000));
  EXPECT_LE(step.cursor, Position(45'000));
  EXPECT_TRUE(log().read_all(request).empty());
}

TEST_F(LongLog, a_step_over_payloads_that_are_not_indexed_ends_too) {
  const ReadRequest request{.query = Query{}.where("no", "such")};
  const auto step = log().backend->read_step(request).value();
  EXPECT_TRUE(step.batch.empty());
  EXPECT_FALSE(step.end);
  EXPECT_GE(step.cursor, Position(1000));
  EXPECT_TRUE(log().read_all(request).empty());
}

TEST_F(LongLog, the_last_of_a_common_tag_is_found_at_once) {
  const auto [last] = log().read<1>({.query = Query{}.tagged("common").of_type("Odd"),
                                     .direction = Direction::backwards,
                                     .limit = 1});
  EXPECT_EQ(last.position, Position(60'000));
}

TEST_F(LongLog, a_read_is_capped_at_the_head_it_reports) {
  const auto step = log().backend->read_step({.after = Position(70'000)}).value();
  EXPECT_EQ(step.head, Position(60'000));
  EXPECT_TRUE(step.end);
  EXPECT_TRUE(step.batch.empty());
  const auto none = log().backend->read_step({.limit = 0}).value();
  EXPECT_TRUE(none.end);
  EXPECT_TRUE(none.batch.empty());
  EXPECT_EQ(none.cursor, Position());
}

TEST(Reading, past_an_event_that_is_gone_is_damage) {
  const auto uri = PostgresCluster::shared().new_database();
  auto log = OpenLog::create(uri);
  log.append(std::vector<Event>(6, event("A").json("{}")));
  const auto missing = [&](ReadRequest request) -> std::string {
    const auto step = log.backend->read_step(request);
    if (step) return "none";
    EXPECT_EQ(step.error().code, Code::data_loss);
    return step.error().details.at("missing");
  };
  run_sql(uri, "DELETE FROM weir.event WHERE position IN (3, 6)");
  EXPECT_EQ(missing({}), "3");
  EXPECT_EQ(missing({.after = Position(2)}), "3");
  EXPECT_EQ(missing({.after = Position(3)}), "6");
  EXPECT_EQ(missing({.direction = Direction::backwards}), "6");
  EXPECT_EQ(missing({.until = Position(5), .direction = Direction::backwards}), "3");
  EXPECT_EQ(missing({.until = Position(2)}), "none");
  EXPECT_EQ(missing({.after = Position(3), .until = Position(5)}), "none");
  EXPECT_EQ(missing({.after = Position(3), .limit = 2}), "none");
}

TEST(Reading, ends_a_batch_with_the_event_that_reaches_its_bytes) {
  auto log = OpenLog::create(PostgresCluster::shared().new_database());
  for (int i = 0; i < 8; ++i) {
    log.append({Event{.type = "T",
                      .tags = {"t"},
                      .data = std::string(1 << 20, 'x'),
                      .content_type = "text/plain"}});
  }
  for (auto query : {Query{}, Query{}.tagged("t")}) {
    const auto step = log.backend->read_step({.query = query, .batch_bytes_max = 3 << 20}).value();
    EXPECT_EQ(step.batch.size(), 3u);
    EXPECT_EQ(step.cursor, Position(3));
    EXPECT_FALSE(step.end);
    // An event that is larger than the bound comes alone.
    const auto one = log.backend->read_step({.query = query, .batch_bytes_max = 1024}).value();
    EXPECT_EQ(one.batch.size(), 1u);
    EXPECT_EQ(log.read_all({.query = query, .batch_bytes_max = 3 << 20}).size(), 8u);
  }
}

}  // namespace
}  // namespace weir::postgres
