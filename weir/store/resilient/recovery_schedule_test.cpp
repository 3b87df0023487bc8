#include <weir/store/resilient/recovery_schedule.hpp>

#include <gtest/gtest.h>

namespace weir::resilient {
namespace {

using namespace std::chrono_literals;

constexpr Instant t0{1h};

TEST(RecoverySchedule, doubles_its_delays_up_to_the_longest) {
  RecoverySchedule schedule({.delay = 500ms, .delay_max = 3s, .jitter = 0});
  EXPECT_EQ(schedule.due(t0, 0), t0 + 500ms);
  EXPECT_EQ(schedule.due(t0 + 400ms, 0), t0 + 500ms) << "asking again puts it off";
  auto at = t0 + 500ms;
  for (const auto delay : {1000ms, 2000ms, 3000ms, 3000ms}) {
    schedule.looked(at, 0);
    EXPECT_EQ(schedule.due(at + 1ms, 0), at + delay);
    at += delay;
  }
}

TEST(RecoverySchedule, begins_anew_with_the_next_outage) {
  RecoverySchedule schedule({.delay = 500ms, .jitter = 0});
  EXPECT_EQ(schedule.due(t0, 0), t0 + 500ms);
  for (int i = 0; i < 5; ++i) schedule.looked(t0 + 1s, 0);
  EXPECT_EQ(schedule.due(t0 + 1s, 0), t0 + 6s);
  schedule.over();
  EXPECT_EQ(schedule.due(t0 + 1h, 0), t0 + 1h + 500ms);
}

TEST(RecoverySchedule, jitter_shortens_and_never_lengthens) {
  RecoverySchedule schedule({.delay = 1s, .jitter = 0.5});
  EXPECT_EQ(schedule.due(t0, 0.5), t0 + 750ms);
  schedule.over();
  EXPECT_EQ(schedule.due(t0, 0), t0 + 1s);
  schedule.looked(t0 + 1s, 0.999);
  EXPECT_GE(schedule.due(t0 + 1s, 0), t0 + 2s);
  EXPECT_LT(schedule.due(t0 + 1s, 0), t0 + 2100ms);
}

TEST(RecoveryOptions, out_of_range_are_named) {
  EXPECT_TRUE(check(RecoveryOptions{}));
  EXPECT_TRUE(check(RecoveryOptions{.delay = 0ms}));
  const auto message = [](const RecoveryOptions& options) {
    return check(options).error().message;
  };
  EXPECT_EQ(message({.delay = 1ms}).substr(0, 15), "recovery.delay:");
  EXPECT_EQ(message({.delay = 2s, .delay_max = 1s}), "recovery.delay: more than delay_max");
  EXPECT_EQ(message({.timeout = 1h}).substr(0, 17), "recovery.timeout:");
  EXPECT_EQ(message({.jitter = 1}).substr(0, 16), "recovery.jitter:");
}

}  // namespace
}  // namespace weir::resilient
