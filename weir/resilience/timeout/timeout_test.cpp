#include <weir/resilience/timeout/timeout.hpp>

#include <gtest/gtest.h>

#include <latch>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

TEST(Timeout, takes_a_generated_duration_and_none_for_nothing) {
  FakeTime time;
  const auto after = [&](std::optional<Duration> generated) {
    const auto p = pipeline("t")
                       .timeout({.after_generated = [=](const Context&) { return generated; }})
                       .time(time, time)
                       .build()
                       .value();
    return p.run([](Context& context) { return context.time_left(); }).value();
  };
  EXPECT_EQ(after(3s), 3s);
  EXPECT_EQ(after(std::nullopt), std::nullopt);
  EXPECT_EQ(after(0s), std::nullopt);
}

TEST(Timeout, leaves_a_value_that_comes_late_and_other_errors_as_they_are) {
  FakeTime time;
  const auto p = pipeline("t").timeout({.after = 1s}).time(time, time).build().value();
  EXPECT_EQ(p.run([&] {
               time.advance(2s);
               return 5;
             }).value(),
            5);
  const auto failed = p.run([&]() -> Result<int> {
    time.advance(2s);
    return invalid_field("x", "y");
  });
  EXPECT_EQ(failed.error().code, Code::invalid_argument);
}

TEST(Timeout, does_not_claim_what_the_caller_stopped) {
  FakeTime time;
  const auto p = pipeline("t").timeout({.after = 1s}).time(time, time).build().value();
  std::stop_source stop;
  const auto done = p.run({.stop = stop.get_token()}, [&](Context& context) -> Result<int> {
    const auto token = context.stop_token();
    stop.request_stop();
    EXPECT_TRUE(token.stop_requested());
    time.advance(2s);
    return cancelled();
  });
  EXPECT_EQ(done.error().code, Code::cancelled);
}

TEST(Timeout, arms_a_real_timer_for_code_that_waits_for_its_token) {
  const auto p = pipeline("t").timeout({.after = 1ms}).build().value();
  const auto done = p.run([](Context& context) -> Result<int> {
    std::latch stopped(1);
    const std::stop_callback on_stop(context.stop_token(), [&] { stopped.count_down(); });
    stopped.wait();
    return cancelled();
  });
  EXPECT_EQ(done.error().code, Code::deadline_exceeded);
}

TEST(Timeout, answers_for_code_that_cannot_be_stopped_and_lets_it_go_on) {
  const auto recorder = std::make_shared<Recorder>();
  const auto p =
      pipeline("t").timeout({.after = 1ms, .pessimistic = true}).listener(recorder).build().value();
  struct Stuck {
    std::latch may_end{1};
    std::latch ended{1};
  };
  const auto stuck = std::make_shared<Stuck>();
  const auto done = p.run([stuck] {
    stuck->may_end.wait();
    stuck->ended.count_down();
    return 1;
  });
  EXPECT_EQ(done.error().code, Code::deadline_exceeded);
  EXPECT_EQ(done.error().message, "timeout: no answer within 1ms");
  EXPECT_EQ(recorder->in_words(), "timed_out");
  stuck->may_end.count_down();
  stuck->ended.wait();
}

TEST(Timeout, gives_what_code_that_cannot_be_stopped_returns_in_time) {
  const auto p = pipeline("t").timeout({.after = 1h, .pessimistic = true}).build().value();
  EXPECT_EQ(p.run([] { return 4; }).value(), 4);
  EXPECT_THROW((void)p.run([]() -> int { throw 1; }), int);
}

TEST(Timeout, refuses_when_no_thread_is_free_for_code_that_cannot_be_stopped) {
  const auto p =
      pipeline("t")
          .timeout({.after = 1ms, .pessimistic = true})
          .executor(std::make_shared<Executor>(Executor::Options{.threads = 1, .queue_max = 1}))
          .build()
          .value();
  struct Stuck {
    std::latch begun{1};
    std::latch may_end{1};
  };
  const auto stuck = std::make_shared<Stuck>();
  const auto on_the_thread = p.run([stuck] {
    stuck->begun.count_down();
    stuck->may_end.wait();
  });
  EXPECT_EQ(on_the_thread.error().code, Code::deadline_exceeded);
  stuck->begun.wait();  // on a busy machine it may still have been in the queue
  const auto in_the_queue = p.run([] {});
  EXPECT_EQ(in_the_queue.error().code, Code::deadline_exceeded);
  EXPECT_EQ(p.run([] {}).error().code, Code::resource_exhausted);
  stuck->may_end.count_down();
}

}  // namespace
}  // namespace weir::resilience
