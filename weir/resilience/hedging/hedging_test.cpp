#include <weir/resilience/hedging/hedging.hpp>

#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>
#include <mutex>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/recorder.hpp>
#include <weir/resilience/testing/start.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;
using Act = Hedge::Act;

Hedge::DelayOf every(Duration delay) {
  return [delay](int) { return std::optional(delay); };
}

TEST(Hedge, starts_another_attempt_when_the_first_takes_too_long) {
  Hedge hedge(3, every(2s));
  EXPECT_EQ(hedge.next(t0).act, Act::start);
  auto action = hedge.next(t0);
  EXPECT_EQ(action.act, Act::wait);
  EXPECT_EQ(action.until, t0 + 2s);
  action = hedge.next(t0 + 2s);
  EXPECT_EQ(action.act, Act::start);
  EXPECT_EQ(action.attempt, 2);
  EXPECT_EQ(hedge.next(t0 + 4s).attempt, 3);
  EXPECT_EQ(hedge.next(t0 + 9s).until, Instant::max());
  hedge.ended(2, false);
  action = hedge.next(t0 + 9s);
  EXPECT_EQ(action.act, Act::finish);
  EXPECT_EQ(action.attempt, 2);
}

TEST(Hedge, starts_another_attempt_at_once_when_one_fails) {
  Hedge hedge(2, [](int) { return std::nullopt; });
  hedge.next(t0);
  EXPECT_EQ(hedge.next(t0).until, Instant::max());
  hedge.ended(1, true);
  EXPECT_EQ(hedge.next(t0).act, Act::start);
  hedge.ended(2, true);
  EXPECT_EQ(hedge.next(t0).act, Act::finish);
  EXPECT_EQ(hedge.next(t0).attempt, 2);  // the last failure is the call's
}

TEST(Hedge, starts_all_at_once_without_a_delay) {
  Hedge hedge(3, every(0s));
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(hedge.next(t0).attempt, i);
  EXPECT_EQ(hedge.next(t0).act, Act::wait);
}

TEST(LatencyHistogram, knows_percentiles_of_the_recent_past_to_a_tenth) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 99; ++i) histogram.add(std::chrono::milliseconds(i));
  EXPECT_FALSE(histogram.percentile(0.5));
  for (int i = 1; i <= 1000; ++i) histogram.add(std::chrono::milliseconds(i));
  const auto p95 = std::chrono::duration<double>(*histogram.percentile(0.95)).count();
  EXPECT_NEAR(p95, 0.94, 0.095);
  for (int i = 0; i < 5000; ++i) histogram.add(1ms);
  EXPECT_LT(*histogram.percentile(0.95), 2ms);
}

TEST(Hedging, answers_with_the_attempt_that_is_not_stuck_and_stops_the_other) {
  const auto recorder = std::make_shared<Recorder>();
  const auto p = pipeline("h").hedging({.delay = 1ms}).listener(recorder).build().value();
  std::latch first_stopped(1);
  const auto done = p.run([&](Context& context) -> Result<int> {
    if (context.attempt() == 2) return 2;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait(lock, context.stop_token(), [] { return false; });
    first_stopped.count_down();
    return cancelled();
  });
  EXPECT_EQ(done.value(), 2);
  first_stopped.wait();
  EXPECT_EQ(recorder->in_words(), "hedged");
  EXPECT_EQ(recorder->heard()[0].attempt, 2);
}

TEST(Hedging, gives_the_last_failure_when_all_attempts_fail) {
  const auto p = pipeline("h").hedging({.attempts_max = 3, .delay = std::nullopt}).build().value();
  const auto done = p.run([](Context& context) -> Result<int> {
    return unavailable(std::to_string(context.attempt()));
  });
  EXPECT_EQ(done.error().message, "3");
}

TEST(Hedging, throws_what_the_last_attempt_threw) {
  const auto p = pipeline("h").hedging({.delay = std::nullopt}).build().value();
  EXPECT_THROW((void)p.run([]() -> int { throw std::runtime_error("no"); }), std::runtime_error);
}

TEST(Hedging, runs_the_strategies_inside_for_each_attempt) {
  const auto p = pipeline("h")
                     .hedging({.delay = std::nullopt})
                     .retry({.attempts_max = 2, .delay = 0s})
                     .build()
                     .value();
  const auto calls = std::make_shared<std::atomic<int>>(0);
  EXPECT_FALSE(p.run([calls]() -> Result<int> {
    ++*calls;
    return unavailable("");
  }));
  EXPECT_EQ(*calls, 4);
}

TEST(Hedging, refuses_a_call_that_cannot_be_copied) {
  const auto p = pipeline("h").hedging({}).build().value();
  const auto done = p.run([only = std::make_unique<int>(1)] { return *only; });
  EXPECT_EQ(done.error().code, Code::failed_precondition);
}

TEST(Hedging, stops_when_its_caller_does) {
  const auto p = pipeline("h").hedging({.delay = std::nullopt}).build().value();
  std::stop_source stop;
  const auto held = std::make_shared<std::latch>(1);
  const auto done = p.run({.stop = stop.get_token()}, [held, stop]() mutable -> Result<int> {
    stop.request_stop();
    held->wait();
    return 1;
  });
  EXPECT_EQ(done.error().code, Code::cancelled);
  held->count_down();
}

TEST(Hedging, names_the_option_that_is_out_of_range) {
  EXPECT_EQ(check(HedgingOptions{.attempts_max = 11}).error().message,
            "hedging.attempts_max: 11, must be from 2 to 10");
  EXPECT_EQ(check(HedgingOptions{.percentile = 1.0}).error().message,
            "hedging.percentile: must be more than 0 and less than 1");
}

}  // namespace
}  // namespace weir::resilience
