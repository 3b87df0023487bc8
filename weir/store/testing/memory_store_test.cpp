#include <weir/store/testing/memory_store.hpp>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return time; }
  Instant instant() const override { return Instant(time.time_since_epoch()); }
  Timestamp time{1'000'000s};
};

std::vector<std::uint64_t> positions(EventReader& reader, ReadRequest request) {
  const auto known = reader.read(std::move(request)).collect();
  std::vector<std::uint64_t> list;
  for (const auto& event : known.value().events) list.push_back(event.position.value);
  return list;
}

Event lent(std::string book) {
  return weir::event("Lent").json({{"book", book}}).tagged("book:" + book);
}

TEST(MemoryStore, reads_what_matches_by_type_tag_and_payload) {
  MemoryStore store("default");
  ASSERT_TRUE(store.append({.events = {lent("dune"), lent("emma"),
                                       weir::event("Back").json("{}").tagged("book:dune")}}));
  EXPECT_THAT(positions(store, {}), ElementsAre(1, 2, 3));
  EXPECT_THAT(positions(store, {.query = Query{}.tagged("book:dune")}), ElementsAre(1, 3));
  EXPECT_THAT(positions(store, {.query = Query{}.of_type("Lent").where("book", "emma")}),
              ElementsAre(2));
}

TEST(MemoryStore, keeps_to_bounds_direction_and_limit_however_small_its_steps) {
  MemoryStore store("default", {}, {.scanned_max = 2});
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(store.append({.events = {lent("dune")}}));
  EXPECT_THAT(positions(store, {.after = Position(2), .until = Position(5)}), ElementsAre(3, 4, 5));
  EXPECT_THAT(positions(store, {.direction = Direction::backwards, .limit = 3}),
              ElementsAre(9, 8, 7));
  EXPECT_THAT(positions(store, {.after = Position(7), .direction = Direction::backwards}),
              ElementsAre(9, 8));
  EXPECT_THAT(positions(store, {.limit = 0}), ElementsAre());
  EXPECT_THAT(positions(store, {.after = Position(99)}), ElementsAre());
}

TEST(MemoryStore, time_ranges_include_both_ends) {
  MemoryStore store("default");
  for (int i = 1; i <= 4; ++i) {
    auto event = lent("dune");
    event.occurred_at = Timestamp(i * 1s);
    ASSERT_TRUE(store.append({.events = {event}}));
  }
  EXPECT_THAT(positions(store, {.occurred = {.from = Timestamp(2s), .until = Timestamp(3s)}}),
              ElementsAre(2, 3));
}

TEST(MemoryStore, refuses_an_append_when_something_past_after_matches) {
  MemoryStore store("default");
  ASSERT_TRUE(store.append({.events = {lent("dune"), lent("emma")}}));
  const auto about_dune = Query{}.tagged("book:dune");
  const auto refused = store.append(
      {.events = {lent("dune")}, .condition = Condition{.fail_if_events_match = about_dune}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::aborted);
  EXPECT_EQ(refused.error().details.at("position"), "1");
  EXPECT_TRUE(
      store.append({.events = {lent("dune")}, .condition = Condition{about_dune, Position(1)}}));
  EXPECT_EQ(store.head({}).value(), Position(3));
}

TEST(MemoryStore, a_condition_without_a_query_matches_every_event) {
  MemoryStore store("default");
  ASSERT_TRUE(store.append({.events = {lent("dune")}, .condition = Condition{}}));
  EXPECT_FALSE(store.append({.events = {lent("dune")}, .condition = Condition{}}));
}

TEST(MemoryStore, repeats_the_answer_of_a_key_until_it_expires) {
  FakeClock clock;
  MemoryStore store("default", {}, {.clock = &clock});
  const AppendRequest request{.events = {lent("dune")}, .idempotency_key = "k"};
  ASSERT_EQ(store.append(request).value().first, Position(1));
  ASSERT_TRUE(store.append({.events = {lent("emma")}}));
  EXPECT_TRUE(store.append(request).value().replayed);
  EXPECT_EQ(store.append(request).value().last, Position(1));
  const auto reused = store.append({.events = {lent("emma")}, .idempotency_key = "k"});
  EXPECT_EQ(reused.error().code, Code::already_exists);
  clock.time += 25h;
  EXPECT_EQ(store.append(request).value().first, Position(3));
}

TEST(MemoryStore, tracking_must_increase_and_is_recorded_with_the_events) {
  MemoryStore store("default");
  ASSERT_TRUE(store.append({.events = {lent("dune")}, .tracking = Tracking{"kafka", 7}}));
  const auto again = store.append({.events = {lent("dune")}, .tracking = Tracking{"kafka", 7}});
  EXPECT_EQ(again.error().code, Code::failed_precondition);
  EXPECT_EQ(store.tracked("kafka", {}).value(), 7U);
  EXPECT_EQ(store.tracked("other", {}).value(), std::nullopt);
  EXPECT_EQ(store.read({}).collect().value().events[0].tracking, (Tracking{"kafka", 7}));
}

TEST(MemoryStore, recorded_at_never_goes_backwards) {
  FakeClock clock;
  MemoryStore store("default", {}, {.clock = &clock});
  const auto first = store.append({.events = {lent("dune")}}).value();
  clock.time -= 1h;
  EXPECT_EQ(store.append({.events = {lent("dune")}}).value().recorded_at, first.recorded_at);
}

TEST(MemoryStore, a_snapshot_never_goes_backwards) {
  MemoryStore store("default");
  const SnapshotKey key{"loans", "h"};
  const auto save = [&](std::uint64_t position, std::string data) {
    return store.save_snapshot({.key = key, .position = Position(position), .data = data}, {});
  };
  EXPECT_TRUE(save(5, "five").value());
  EXPECT_FALSE(save(4, "four").value());
  EXPECT_EQ(store.load_snapshot(key, {}).value()->data, "five");
  ASSERT_TRUE(store.delete_snapshot(key, {}));
  EXPECT_FALSE(store.load_snapshot(key, {}).value().has_value());
}

TEST(MemoryStore, a_subscription_delivers_what_is_there_and_what_comes_once_and_in_order) {
  MemoryStore store("default");
  ASSERT_TRUE(store.append({.events = {lent("dune"), lent("emma")}}));
  auto subscription = store.subscribe({.query = Query{}.tagged("book:dune")}).value();
  std::jthread writer([&] {
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(store.append({.events = {lent(i % 2 == 0 ? "dune" : "emma")}}));
    }
  });
  std::vector<std::uint64_t> seen;
  while (seen.size() < 26) {
    const auto step = subscription->next();
    ASSERT_TRUE(step);
    for (const auto& event : step.value().batch) seen.push_back(event.position().value);
  }
  std::vector<std::uint64_t> expected = {1};
  for (std::uint64_t p = 3; p < 53; p += 2) expected.push_back(p);
  EXPECT_EQ(seen, expected);
}

TEST(MemoryStore, a_stop_token_ends_a_waiting_subscription) {
  MemoryStore store("default");
  std::stop_source stop;
  auto subscription = store.subscribe({.call = {.stop = stop.get_token()}}).value();
  EXPECT_TRUE(subscription->next().value().caught_up);
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(subscription->next().error().code, Code::cancelled);
}

TEST(MemoryCatalog, opens_the_same_log_and_knows_which_are_missing) {
  MemoryCatalog catalog;
  EXPECT_EQ(catalog.open("other", {}).error().code, Code::not_found);
  ASSERT_TRUE(catalog.create("other", {.indexed_keys = {"book"}}, {}));
  EXPECT_TRUE(catalog.create("other", {.indexed_keys = {"book"}}, {}));
  EXPECT_EQ(catalog.create("other", {}, {}).error().code, Code::already_exists);
  EXPECT_EQ(catalog.open("other", {}).value(), catalog.open("other", {}).value());
  EXPECT_EQ(catalog.create("Not A Name", {}, {}).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace weir::testing
