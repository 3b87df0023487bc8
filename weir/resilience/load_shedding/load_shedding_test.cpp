#include <weir/resilience/load_shedding/load_shedding.hpp>

#include <gtest/gtest.h>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/start.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

TEST(LoadShedding, sheds_the_least_important_first) {
  auto shedder = LoadShedder::create({.in_flight_max = 10}).value();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(shedder->try_enter(Priority::low, t0, 0));
  EXPECT_FALSE(shedder->try_enter(Priority::low, t0, 0));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shedder->try_enter(Priority::normal, t0, 0));
  EXPECT_FALSE(shedder->try_enter(Priority::normal, t0, 0));
  EXPECT_TRUE(shedder->try_enter(Priority::high, t0, 0));
  EXPECT_FALSE(shedder->try_enter(Priority::high, t0, 0));
  EXPECT_EQ(shedder->in_flight(), 10);
  shedder->leave(true, t0);
  EXPECT_TRUE(shedder->try_enter(Priority::high, t0, 0));
}

TEST(LoadShedding, sheds_by_chance_what_the_callee_would_refuse) {
  auto shedder = LoadShedder::create({.accept_multiplier = 2}).value();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(shedder->try_enter(Priority::normal, t0, 0.99));
    shedder->leave(i < 25, t0);
  }
  EXPECT_NEAR(shedder->shed_share(Priority::normal, t0), 50.0 / 101, 1e-9);
  EXPECT_NEAR(shedder->shed_share(Priority::high, t0), 0, 1e-9);
  EXPECT_NEAR(shedder->shed_share(Priority::low, t0), 62.5 / 101, 1e-9);
  EXPECT_FALSE(shedder->try_enter(Priority::normal, t0, 0.4));
  EXPECT_TRUE(shedder->try_enter(Priority::normal, t0, 0.6));
  shedder->leave(false, t0);
  EXPECT_EQ(shedder->shed_share(Priority::normal, t0 + 2min), 0);  // it is long ago
}

TEST(LoadShedding, goes_by_the_priority_and_the_outcomes_of_calls) {
  FakeTime time;
  const auto p = pipeline("p")
                     .load_shedding({.accept_multiplier = 2})
                     .time(time, time)
                     .seed(1)
                     .build()
                     .value();
  int made = 0;
  for (int i = 0; i < 1000; ++i) {
    (void)p.run([&]() -> Result<int> {
      ++made;
      return overloaded("full", 1ms);
    });
  }
  EXPECT_LT(made, 100);
  time.advance(2min);
  made = 0;
  for (int i = 0; i < 1000; ++i) {
    (void)p.run([&]() -> Result<int> {
      ++made;
      return invalid_field("a", "refused, but not for want of room");
    });
  }
  EXPECT_EQ(made, 1000);
}

TEST(LoadShedding, names_the_option_that_is_out_of_range) {
  EXPECT_EQ(check(LoadSheddingOptions{.accept_multiplier = 1}).error().message,
            "load_shedding.accept_multiplier: 1, must be from 1.1 to 100");
  EXPECT_FALSE(check(LoadSheddingOptions{}));
}

}  // namespace
}  // namespace weir::resilience
