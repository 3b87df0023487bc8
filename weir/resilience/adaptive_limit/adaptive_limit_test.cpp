#include <weir/resilience/adaptive_limit/adaptive_limit.hpp>

#include <gtest/gtest.h>

#include <weir/resilience/testing/start.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

TEST(Gradient2, grows_while_round_trips_stay_short_and_shrinks_when_they_grow) {
  Gradient2 limit({.initial = 50, .min = 5, .max = 100});
  double grown = 0;
  for (int i = 0; i < 100; ++i) grown = limit.update({.round_trip = 10ms, .in_flight = 100});
  EXPECT_NEAR(grown, 100, 1);
  double shrunk = grown;
  for (int i = 0; i < 10; ++i) shrunk = limit.update({.round_trip = 100ms, .in_flight = 100});
  EXPECT_LT(shrunk, 60);
}

TEST(Gradient2, does_not_grow_when_callers_ask_for_little) {
  Gradient2 limit({.initial = 50});
  EXPECT_EQ(limit.update({.round_trip = 10ms, .in_flight = 24}), 50);
  EXPECT_NEAR(limit.update({.round_trip = 10ms, .in_flight = 25}), 50.8, 1e-9);  // + 0.2 * 4
}

TEST(Gradient2, takes_a_tenth_for_a_drop_and_keeps_to_its_least) {
  Gradient2 limit({.initial = 50, .min = 40});
  EXPECT_EQ(limit.update({.round_trip = 10ms, .in_flight = 50, .dropped = true}), 45);
  for (int i = 0; i < 9; ++i) limit.update({.round_trip = 10ms, .in_flight = 50, .dropped = true});
  EXPECT_EQ(limit.update({.round_trip = 10ms, .in_flight = 50, .dropped = true}), 40);
}

TEST(Vegas, grows_fast_without_a_queue_and_gives_way_to_one) {
  Vegas limit({.initial = 20, .max = 1000});
  EXPECT_EQ(limit.update({.round_trip = 10ms, .in_flight = 20}, 0.5), 20);  // learns the shortest
  // No queue at all: six steps of log10(20), which is one.
  EXPECT_EQ(limit.update({.round_trip = 10ms, .in_flight = 20}, 0.5), 26);
  // A queue of ceil(26 * (1 - 10/14)) = 8 is more than six steps.
  EXPECT_EQ(limit.update({.round_trip = 14ms, .in_flight = 26}, 0.5), 25);
  // One of ceil(25 * (1 - 10/12)) = 5 is neither short nor long.
  EXPECT_EQ(limit.update({.round_trip = 12ms, .in_flight = 26}, 0.5), 25);
  EXPECT_EQ(limit.update({.round_trip = 12ms, .in_flight = 26, .dropped = true}, 0.5), 24);
}

TEST(Vegas, measures_the_shortest_round_trip_anew_now_and_then) {
  Vegas limit({.initial = 10, .max = 10, .probe_multiplier = 2});
  limit.update({.round_trip = 1ms, .in_flight = 10}, 0.0);
  double least = 10;
  for (int i = 0; i < 60; ++i) {
    least = limit.update({.round_trip = 100ms, .in_flight = 10}, 0.0);
  }
  EXPECT_EQ(least, 10);  // the new length has become the usual one
}

TEST(AdaptiveLimit, admits_as_many_as_its_limit) {
  auto limit = AdaptiveLimit::create({.initial = 4, .limit_min = 2, .limit_max = 8}).value();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit->try_enter());
  EXPECT_FALSE(limit->try_enter());
  limit->leave(AdaptiveLimit::Verdict::neither, 1ms, t0, 0.5);
  EXPECT_TRUE(limit->try_enter());
  EXPECT_EQ(limit->in_flight(), 4);
}

/// Calls that all last as long, `together` at a time, for some seconds.
void work(AdaptiveLimit& limit, Duration lasting, int together, Instant from, int windows) {
  for (int window = 1; window <= windows; ++window) {
    const auto now = from + std::chrono::seconds(window);
    for (int round = 0; round < 3; ++round) {
      int entered = 0;
      for (int i = 0; i < together; ++i) entered += limit.try_enter() ? 1 : 0;
      for (int i = 0; i < entered; ++i) {
        limit.leave(AdaptiveLimit::Verdict::success, lasting, now, 0.5);
      }
    }
  }
}

TEST(AdaptiveLimit, follows_what_the_callee_can_take) {
  for (const auto algorithm : {LimitAlgorithm::gradient2, LimitAlgorithm::vegas}) {
    auto limit = AdaptiveLimit::create({.algorithm = algorithm}).value();
    work(*limit, 10ms, 200, t0, 40);
    const int well = limit->limit();
    EXPECT_GT(well, 50);
    work(*limit, 200ms, 200, t0 + 40s, 60);
    EXPECT_LT(limit->limit(), well * 3 / 4);
    EXPECT_EQ(limit->in_flight(), 0);
  }
}

TEST(AdaptiveLimit, goes_on_from_where_it_is_under_other_bounds) {
  auto limit = AdaptiveLimit::create({}).value();
  work(*limit, 10ms, 200, t0, 40);
  ASSERT_TRUE(limit->reconfigure({.initial = 10, .limit_max = 30}));
  EXPECT_EQ(limit->limit(), 30);
  EXPECT_EQ(check(AdaptiveLimitOptions{.initial = 300}).error().message,
            "adaptive_limit.initial: 300, must be from 4 to 200");
}

}  // namespace
}  // namespace weir::resilience
