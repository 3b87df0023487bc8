#include <weir/resilience/chaos/chaos.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

const Injection always{.rate = 1};

TEST(Chaos, meddles_with_its_share_of_calls_and_the_same_ones_for_the_same_seed) {
  const auto failures = [](std::uint64_t seed) {
    const auto p =
        pipeline("c").chaos_fault({.injection = {.rate = 0.2}}).seed(seed).build().value();
    std::vector<int> failed;
    for (int i = 0; i < 10'000; ++i) {
      if (!p.run([] { return 1; })) failed.push_back(i);
    }
    return failed;
  };
  const auto failed = failures(1);
  EXPECT_NEAR(static_cast<double>(failed.size()), 2000, 150);
  EXPECT_EQ(failures(1), failed);
  EXPECT_NE(failures(2), failed);
}

TEST(Chaos, fails_calls_with_an_error_or_an_exception_without_making_them) {
  const auto never = []() -> Result<int> {
    ADD_FAILURE();
    return 1;
  };
  const auto recorder = std::make_shared<Recorder>();
  const auto error =
      pipeline("c").chaos_fault({.injection = always}).listener(recorder).build().value();
  EXPECT_EQ(error.run(never).error().code, Code::unavailable);
  EXPECT_EQ(recorder->in_words(), "injected");
  const auto thrown =
      pipeline("c")
          .chaos_fault({.injection = always,
                        .exception = std::make_exception_ptr(std::runtime_error("chaos"))})
          .build()
          .value();
  EXPECT_THROW((void)thrown.run(never), std::runtime_error);
}

TEST(Chaos, answers_calls_with_an_outcome_of_its_own) {
  const auto p = pipeline("c")
                     .chaos_outcome<int>(
                         {.injection = always, .outcome = [](Context&) { return Result<int>(-1); }})
                     .build()
                     .value();
  EXPECT_EQ(p.run([] { return 1; }).value(), -1);
}

TEST(Chaos, makes_calls_late_and_does_things_before_them) {
  FakeTime time;
  int did = 0;
  const auto p = pipeline("c")
                     .chaos_latency({.injection = always, .latency = 30s})
                     .chaos_behaviour({.injection = always, .behaviour = [&](Context&) { ++did; }})
                     .time(time, time)
                     .build()
                     .value();
  EXPECT_EQ(p.run([] { return 1; }).value(), 1);
  EXPECT_EQ(time.waits(), (std::vector<Duration>{30s}));
  EXPECT_EQ(did, 1);
}

TEST(Chaos, is_met_by_the_strategies_around_it) {
  FakeTime time;
  int left = 2;
  const auto p =
      pipeline("c")
          .retry({.attempts_max = 5, .delay = 0s})
          .chaos_fault({.injection = {.rate_generated =
                                          [&](const Context&) { return left-- > 0 ? 1.0 : 0.0; }}})
          .time(time, time)
          .build()
          .value();
  EXPECT_EQ(p.run([](Context& context) { return context.attempt(); }).value(), 3);
}

TEST(Chaos, can_be_switched_off) {
  bool enabled = false;
  const auto p =
      pipeline("c")
          .chaos_fault(
              {.injection = {.rate = 1,
                             .enabled_generated = [&](const Context&) { return enabled; }}})
          .build()
          .value();
  EXPECT_TRUE(p.run([] { return 1; }));
  enabled = true;
  EXPECT_FALSE(p.run([] { return 1; }));
  EXPECT_EQ(check(ChaosFaultOptions{.injection = {.rate = 1.5}}).error().message,
            "chaos_fault.injection.rate: 1.5, must be from 0 to 1");
  EXPECT_FALSE(check(ChaosBehaviourOptions{}));
}

}  // namespace
}  // namespace weir::resilience
