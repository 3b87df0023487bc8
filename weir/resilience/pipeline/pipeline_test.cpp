#include <weir/resilience/pipeline/builder.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include <weir/resilience/testing/description.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

struct PipelineTest : testing::Test {
  FakeTime time;
  std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>();

  PipelineBuilder builder() {
    auto made = pipeline("payments");
    made.time(time, time).listener(recorder).seed(1);
    return made;
  }
};
using APipeline = PipelineTest;

TEST_F(APipeline, gives_what_the_call_returns) {
  const auto p = builder().retry({}).build().value();
  EXPECT_EQ(p.run([] { return 7; }).value(), 7);
  EXPECT_EQ(p.run([](Context&) { return Result<std::string>("paid"); }).value(), "paid");
  EXPECT_TRUE(p.run([] {}));
  EXPECT_TRUE(p.run([]() -> Result<void> { return {}; }));
  EXPECT_EQ(p.run([]() -> Result<int> { return invalid_field("x", "y"); }).error().code,
            Code::invalid_argument);
  const auto moved = p.run([] { return std::make_unique<int>(3); }).value().operator*();
  EXPECT_EQ(moved, 3);
}

TEST_F(APipeline, tries_again_until_it_succeeds) {
  const auto p = builder().retry({.delay = 1s, .jitter = Jitter::none}).build().value();
  std::vector<int> attempts;
  const auto done = p.run([&](Context& context) -> Result<int> {
    attempts.push_back(context.attempt());
    if (attempts.size() < 3) return unavailable("away");
    return 1;
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(attempts, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(time.waits(), (std::vector<Duration>{1s, 2s}));
  EXPECT_EQ(recorder->in_words(), "retried retried");
}

TEST_F(APipeline, gives_the_last_error_when_its_attempts_are_used_up) {
  const auto p = builder().retry({.attempts_max = 2, .delay = 0s}).build().value();
  int calls = 0;
  const auto done = p.run([&]() -> Result<int> { return unavailable(std::to_string(++calls)); });
  EXPECT_EQ(done.error().message, "2");
  EXPECT_TRUE(time.waits().empty());
}

TEST_F(APipeline, does_not_repeat_what_is_not_transient) {
  const auto p = builder().retry({}).build().value();
  int calls = 0;
  EXPECT_FALSE(p.run([&]() -> Result<int> {
    ++calls;
    return condition_failed(1);
  }));
  EXPECT_EQ(calls, 1);
}

TEST_F(APipeline, handles_exceptions_and_throws_the_last_one) {
  const auto p = builder().retry({.attempts_max = 3, .delay = 0s}).build().value();
  int calls = 0;
  EXPECT_THROW((void)p.run([&] {
    ++calls;
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(calls, 3);
}

TEST_F(APipeline, handles_only_the_exceptions_that_it_was_told) {
  const auto p = builder()
                     .retry({.attempts_max = 3,
                             .delay = 0s,
                             .handled = {.exceptions = exception_is<std::runtime_error>()}})
                     .build()
                     .value();
  int calls = 0;
  EXPECT_THROW((void)p.run([&] {
    ++calls;
    throw std::logic_error("no");
  }),
               std::logic_error);
  EXPECT_EQ(calls, 1);
  EXPECT_THROW((void)p.run([&] {
    ++calls;
    throw std::range_error("derived");
  }),
               std::range_error);
  EXPECT_EQ(calls, 4);
}

TEST_F(APipeline, handles_values_when_told_to) {
  const auto p = builder()
                     .retry({.attempts_max = 5,
                             .delay = 0s,
                             .handled = {.values = value_where<int>([](int v) { return v < 3; })}})
                     .build()
                     .value();
  int value = 0;
  EXPECT_EQ(p.run([&] { return ++value; }).value(), 3);
  EXPECT_EQ(p.run([] { return std::string("other types are not asked"); }).value().size(), 25u);
}

TEST_F(APipeline, tells_the_call_its_deadline) {
  const auto begin = time.instant();
  const auto p = builder().timeout({.after = 10s}).timeout({.after = 2s}).build().value();
  EXPECT_EQ(p.run([](Context& context) { return *context.deadline(); }).value(), begin + 2s);
  EXPECT_EQ(p.run({.deadline = begin + 1s}, [](Context& c) { return *c.deadline(); }).value(),
            begin + 1s);
  const auto none = builder().retry({}).build().value();
  EXPECT_FALSE(none.run([](Context& context) { return context.deadline(); }).value());
}

TEST_F(APipeline, asks_the_call_to_stop_at_the_deadline_and_says_so) {
  const auto p = builder().timeout({.after = 2s}).build().value();
  const auto done = p.run([&](Context& context) -> Result<int> {
    const auto token = context.stop_token();
    EXPECT_FALSE(token.stop_requested());
    time.advance(2s);
    EXPECT_TRUE(token.stop_requested());
    WEIR_TRY(context.check());
    return 1;
  });
  EXPECT_EQ(done.error().code, Code::deadline_exceeded);
  EXPECT_EQ(done.error().message, "timeout: no answer within 2s");
  EXPECT_EQ(recorder->in_words(), "timed_out");
}

TEST_F(APipeline, gives_each_attempt_a_deadline_of_its_own_within_the_whole) {
  const auto p = builder()
                     .timeout({.after = 5s})
                     .retry({.attempts_max = 9, .delay = 0s})
                     .timeout({.after = 2s})
                     .build()
                     .value();
  const auto begin = time.instant();
  std::vector<Duration> deadlines;
  const auto done = p.run([&](Context& context) -> Result<int> {
    deadlines.push_back(*context.deadline() - begin);
    time.advance(2s);
    return deadline_passed();
  });
  EXPECT_EQ(deadlines, (std::vector<Duration>{2s, 4s, 5s}));
  EXPECT_EQ(done.error().message, "timeout: no answer within 5s");
}

TEST_F(APipeline, makes_no_call_after_the_callers_deadline_or_stop) {
  const auto p = builder().retry({}).build().value();
  const auto never = []() -> Result<int> {
    ADD_FAILURE();
    return 1;
  };
  EXPECT_EQ(p.run({.deadline = time.instant()}, never).error().code, Code::deadline_exceeded);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(p.run({.stop = stop.get_token()}, never).error().code, Code::cancelled);
}

TEST_F(APipeline, stops_retrying_when_the_caller_stops) {
  const auto p = builder().retry({.attempts_max = 9}).build().value();
  std::stop_source stop;
  int calls = 0;
  const auto done = p.run({.stop = stop.get_token()}, [&]() -> Result<int> {
    if (++calls == 2) stop.request_stop();
    return unavailable("away");
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(done.error().code, Code::unavailable);
}

TEST_F(APipeline, fails_at_once_while_the_circuit_is_open) {
  const auto p = builder().circuit_breaker({.calls_min = 2, .open_for = 60s}).build().value();
  for (int i = 0; i < 2; ++i) (void)p.run([]() -> Result<int> { return unavailable("away"); });
  time.advance(20s);
  const auto refused = p.run([]() -> Result<int> {
    ADD_FAILURE();
    return 1;
  });
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(refused.error().reason, Reason::circuit_open);
  EXPECT_EQ(refused.error().retry_after, 40s);
  time.advance(40s);
  EXPECT_TRUE(p.run([] { return 1; }));
  EXPECT_EQ(recorder->in_words(), "opened rejected half_opened closed");
}

TEST_F(APipeline, does_not_wait_for_a_circuit_that_stays_open_longer_than_its_longest_delay) {
  const auto p = builder()
                     .retry({.attempts_max = 9, .delay_max = 30s})
                     .circuit_breaker({.calls_min = 1, .open_for = 60s})
                     .build()
                     .value();
  EXPECT_EQ(p.run([]() -> Result<int> { return unavailable("away"); }).error().reason,
            Reason::circuit_open);
  EXPECT_EQ(time.waits().size(), 1u);
}

TEST_F(APipeline, takes_a_cancelled_probe_for_neither) {
  const auto p = builder().circuit_breaker({.calls_min = 1, .open_for = 1s}).build().value();
  (void)p.run([]() -> Result<int> { return unavailable("away"); });
  time.advance(1s);
  (void)p.run([]() -> Result<int> { return cancelled(); });
  EXPECT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::half_open);
  std::stop_source stop;
  (void)p.run({.stop = stop.get_token()}, [&]() -> Result<int> {
    stop.request_stop();
    return unavailable("given up");
  });
  EXPECT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::half_open);
  (void)p.run([] { return 1; });
  EXPECT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::closed);
}

TEST_F(APipeline, does_not_take_the_refusals_of_a_bulkhead_inside_for_answers) {
  const auto p = builder()
                     .circuit_breaker({.calls_min = 1, .open_for = 1s})
                     .bulkhead({.permits = 1})
                     .build()
                     .value();
  (void)p.run([]() -> Result<int> { return unavailable("away"); });
  time.advance(1s);
  ASSERT_TRUE(p.bulkhead()->try_enter());
  EXPECT_EQ(p.run([] { return 1; }).error().code, Code::resource_exhausted);
  EXPECT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::half_open);
  p.bulkhead()->leave();
}

TEST_F(APipeline, notices_slow_calls) {
  const auto p = builder()
                     .circuit_breaker({.calls_min = 2, .slow_call_ratio = 1.0, .slow_call = 1s})
                     .build()
                     .value();
  for (int i = 0; i < 2; ++i) (void)p.run([&] { time.advance(1001ms); });
  EXPECT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::open);
}

TEST_F(APipeline, reads_the_clock_once_a_call_and_not_at_all_when_nothing_needs_it) {
  const auto five = pipeline("five")
                        .rate_limiter({.permits = 1'000'000})
                        .timeout({.after = 10s})
                        .retry({})
                        .timeout({.after = 1s})
                        .circuit_breaker({})
                        .time(time, time)
                        .build()
                        .value();
  EXPECT_TRUE(five.run([] { return 1; }));
  EXPECT_EQ(time.reads(), 1);
  const auto two = pipeline("two").retry({}).bulkhead({}).time(time, time).build().value();
  EXPECT_TRUE(two.run([] { return 1; }));
  const auto by_count =
      pipeline("by count").circuit_breaker({.window_calls = 100}).time(time, time).build().value();
  EXPECT_TRUE(by_count.run([] { return 1; }));
  EXPECT_EQ(time.reads(), 1);
}

TEST_F(APipeline, tells_a_listener_of_calls_if_it_wants_them) {
  const auto calls = std::make_shared<Recorder>(true);
  const auto p =
      builder().listener(calls).retry({.delay = 1s, .jitter = Jitter::none}).build().value();
  int attempt = 0;
  (void)p.run({.operation = "charge"}, [&]() -> Result<int> {
    time.advance(1s);
    if (++attempt == 1) return unavailable("away");
    return 1;
  });
  EXPECT_EQ(calls->in_words(), "attempted retried attempted finished");
  const auto last = calls->heard().back();
  EXPECT_EQ(last.operation, "charge");
  EXPECT_EQ(last.pipeline, "payments");
  EXPECT_EQ(last.duration, 3s);
  EXPECT_TRUE(last.ok);
}

TEST_F(APipeline, names_the_option_of_a_strategy_that_is_out_of_range) {
  EXPECT_EQ(builder().timeout({}).retry({.attempts_max = 0}).build().error().message,
            "retry.attempts_max: 0, must be from 1 to 1000");
  EXPECT_EQ(builder().timeout({}).timeout({.after = 0s}).build().error().message,
            "timeout_2.after: 0s, must be from 1ms to 24h");
  EXPECT_EQ(builder().build().error().message, "pipeline.strategies: 0, must be from 1 to 16");
  EXPECT_EQ(pipeline("").retry({}).build().error().message,
            "pipeline.name: must have 1 to 200 characters");
}

TEST_F(APipeline, can_be_described) {
  const auto p = builder()
                     .timeout({.after = 30s})
                     .retry({.attempts_max = 3, .delay = 1s})
                     .circuit_breaker({.calls_min = 5})
                     .build()
                     .value();
  const auto described = describe(p);
  ASSERT_EQ(described.strategies.size(), 3u);
  EXPECT_EQ(std::get<RetryOptions>(described.strategies[1].options).attempts_max, 3);
  EXPECT_EQ(to_string(described),
            "payments\n"
            "  timeout: after=30s pessimistic=false\n"
            "  retry: attempts_max=3 delay=1s delay_max=30s backoff=exponential jitter=full "
            "budget=false\n"
            "  circuit_breaker: failure_ratio=0.5 calls_min=5 window=30s successes_to_close=1 "
            "probes_max=1 probe_timeout=60s open_for=30s metrics_only=false\n");
}

TEST_F(APipeline, has_presets) {
  for (const auto& preset : presets) {
    EXPECT_TRUE(builder().preset(preset).build()) << preset.name;
  }
  EXPECT_EQ(preset_named("high-throughput")->attempts_max, 2);
  EXPECT_EQ(preset_named("mine").error().code, Code::invalid_argument);
  const auto described = describe(builder().preset(production).build().value());
  EXPECT_EQ(std::get<TimeoutOptions>(described.strategies[0].options).after, 30s);
  EXPECT_EQ(std::get<RetryOptions>(described.strategies[1].options).delay_max, 30s);
  EXPECT_EQ(std::get<CircuitBreakerOptions>(described.strategies[2].options).successes_to_close, 2);
}

}  // namespace
}  // namespace weir::resilience
