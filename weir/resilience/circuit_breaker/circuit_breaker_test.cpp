#include <weir/resilience/circuit_breaker/circuit_breaker.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include <weir/resilience/testing/start.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;
using Verdict = CircuitBreaker::Verdict;

std::unique_ptr<CircuitBreaker> breaker_of(const CircuitBreakerOptions& options) {
  return CircuitBreaker::create(options).value();
}

CircuitBreaker::Change call(CircuitBreaker& breaker, Verdict verdict, Instant now) {
  return breaker.record(breaker.admit(now), verdict, now);
}

void calls(CircuitBreaker& breaker, int count, Verdict verdict, Instant now) {
  for (int i = 0; i < count; ++i) call(breaker, verdict, now);
}

/// Open since t0, for 30 s.
std::unique_ptr<CircuitBreaker> open_breaker(CircuitBreakerOptions options = {}) {
  options.calls_min = 1;
  auto breaker = breaker_of(options);
  call(*breaker, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::open);
  return breaker;
}

TEST(CircuitBreaker, opens_when_the_share_of_failures_is_reached) {
  auto breaker = breaker_of({.failure_ratio = 0.5, .calls_min = 4});
  calls(*breaker, 2, Verdict::success, t0);
  calls(*breaker, 1, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::closed);
  const auto change = call(*breaker, Verdict::failure, t0 + 1s);
  ASSERT_TRUE(change.to);
  EXPECT_EQ(*change.to, State::open);
  EXPECT_EQ(change.open_for, 30s);
}

TEST(CircuitBreaker, stays_closed_below_the_least_number_of_calls) {
  auto breaker = breaker_of({.failure_ratio = 0.5, .calls_min = 5});
  calls(*breaker, 4, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::closed);
  calls(*breaker, 1, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::open);
}

TEST(CircuitBreaker, does_not_open_on_a_success_though_its_call_completes_the_minimum) {
  auto breaker = breaker_of({.failure_ratio = 0.5, .calls_min = 5});
  calls(*breaker, 4, Verdict::failure, t0);
  calls(*breaker, 1, Verdict::success, t0);
  EXPECT_EQ(breaker->state(), State::closed);
}

TEST(CircuitBreaker, forgets_what_has_left_the_window_of_time) {
  auto breaker = breaker_of({.failure_ratio = 0.5, .calls_min = 4, .window = 10s});
  calls(*breaker, 3, Verdict::failure, t0);
  calls(*breaker, 1, Verdict::failure, t0 + 10s);  // the three are too old
  EXPECT_EQ(breaker->state(), State::closed);
  EXPECT_EQ(breaker->snapshot(t0 + 10s).counts, (CallCounts{.calls = 1, .failures = 1}));
  calls(*breaker, 2, Verdict::failure, t0 + 15s);
  calls(*breaker, 1, Verdict::failure, t0 + 18s);
  EXPECT_EQ(breaker->state(), State::open);
}

TEST(CircuitBreaker, counts_what_it_saw_in_the_last_ten_slots_of_time) {
  auto breaker = breaker_of({.failure_ratio = 1.0, .calls_min = 1000, .window = 10s});
  for (int second = 0; second < 25; ++second) {
    calls(*breaker, 2, Verdict::success, t0 + std::chrono::seconds(second));
    calls(*breaker, 1, Verdict::failure, t0 + std::chrono::seconds(second) + 500ms);
  }
  EXPECT_EQ(breaker->snapshot(t0 + 24500ms).counts, (CallCounts{.calls = 30, .failures = 10}));
  EXPECT_EQ(breaker->snapshot(t0 + 29500ms).counts, (CallCounts{.calls = 15, .failures = 5}));
  EXPECT_EQ(breaker->snapshot(t0 + 10h).counts, CallCounts{});
}

TEST(CircuitBreaker, looks_at_exactly_the_last_calls_of_a_window_by_count) {
  auto breaker = breaker_of({.failure_ratio = 1.0, .calls_min = 7, .window_calls = 7});
  calls(*breaker, 3, Verdict::failure, t0);
  calls(*breaker, 4, Verdict::success, t0 + 1h);
  EXPECT_EQ(breaker->snapshot(t0).counts, (CallCounts{.calls = 7, .failures = 3}));
  calls(*breaker, 1, Verdict::success, t0 + 9h);
  EXPECT_EQ(breaker->snapshot(t0).counts, (CallCounts{.calls = 7, .failures = 2}));
  calls(*breaker, 2, Verdict::success, t0 + 9h);
  EXPECT_EQ(breaker->snapshot(t0).counts, (CallCounts{.calls = 7, .failures = 0}));
  calls(*breaker, 6, Verdict::failure, t0 + 9h);
  EXPECT_EQ(breaker->state(), State::closed);
  calls(*breaker, 1, Verdict::failure, t0 + 9h);
  EXPECT_EQ(breaker->state(), State::open);
}

TEST(CircuitBreaker, opens_after_failures_in_a_row) {
  auto breaker = breaker_of({.failure_ratio = std::nullopt, .consecutive_failures = 3});
  calls(*breaker, 2, Verdict::failure, t0);
  calls(*breaker, 1, Verdict::success, t0);
  calls(*breaker, 2, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::closed);
  calls(*breaker, 1, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::open);
}

TEST(CircuitBreaker, opens_when_too_many_calls_are_slow) {
  auto breaker = breaker_of({.calls_min = 4, .slow_call_ratio = 0.5, .slow_call = 1s});
  EXPECT_FALSE(breaker->is_slow(1s));
  EXPECT_TRUE(breaker->is_slow(1001ms));
  calls(*breaker, 2, Verdict::success, t0);
  breaker->record(breaker->admit(t0), Verdict::success, true, t0);
  EXPECT_EQ(breaker->state(), State::closed);
  breaker->record(breaker->admit(t0), Verdict::success, true, t0);
  EXPECT_EQ(breaker->state(), State::open);
}

TEST(CircuitBreaker, refuses_until_the_break_is_over_and_says_how_long) {
  auto breaker = open_breaker();
  const auto refused = breaker->admit(t0 + 29s);
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.retry_after, 1s);
  const auto probe = breaker->admit(t0 + 30s);
  EXPECT_TRUE(probe);
  EXPECT_EQ(probe.change.to, State::half_open);
}

TEST(CircuitBreaker, lets_only_so_many_probes_through_and_closes_after_so_many_successes) {
  auto breaker = open_breaker({.successes_to_close = 2, .probes_max = 2});
  const auto first = breaker->admit(t0 + 30s);
  const auto second = breaker->admit(t0 + 30s);
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_FALSE(breaker->admit(t0 + 30s));
  EXPECT_FALSE(breaker->record(first, Verdict::success, t0 + 31s).to);
  EXPECT_EQ(breaker->state(), State::half_open);
  EXPECT_EQ(breaker->record(second, Verdict::success, t0 + 31s).to, State::closed);
  EXPECT_EQ(breaker->snapshot(t0 + 31s).counts, CallCounts{});
}

TEST(CircuitBreaker, opens_again_when_a_probe_fails) {
  auto breaker = open_breaker();
  EXPECT_EQ(call(*breaker, Verdict::failure, t0 + 30s).to, State::open);
  EXPECT_FALSE(breaker->admit(t0 + 59s));
  EXPECT_TRUE(breaker->admit(t0 + 60s));
}

// Guards the trap of breakers that hang half open because nobody answered the probe.
TEST(CircuitBreaker, takes_a_probe_without_an_answer_for_a_failure_when_its_time_is_over) {
  auto breaker = open_breaker({.probe_timeout = 5s});
  const auto lost = breaker->admit(t0 + 30s);
  EXPECT_TRUE(lost);
  EXPECT_FALSE(breaker->admit(t0 + 34s));
  const auto late = breaker->admit(t0 + 35s);
  EXPECT_FALSE(late);
  EXPECT_EQ(late.change.to, State::open);
  EXPECT_TRUE(breaker->admit(t0 + 65s));
  EXPECT_FALSE(breaker->record(lost, Verdict::success, t0 + 65s).to);  // far too late
  EXPECT_EQ(breaker->state(), State::half_open);
}

// Guards the trap of breakers that a cancelled probe closes, or leaves half open for ever.
TEST(CircuitBreaker, makes_room_for_another_probe_when_one_is_cancelled) {
  auto breaker = open_breaker();
  const auto cancelled = breaker->admit(t0 + 30s);
  EXPECT_FALSE(breaker->record(cancelled, Verdict::neither, t0 + 30s).to);
  EXPECT_EQ(breaker->state(), State::half_open);
  EXPECT_TRUE(breaker->admit(t0 + 30s));
}

// Guards the trap of breakers that an answer from before the break closes.
TEST(CircuitBreaker, ignores_answers_to_calls_of_an_earlier_time) {
  auto breaker = breaker_of({.calls_min = 2});
  const auto early = breaker->admit(t0);
  const auto early_too = breaker->admit(t0);
  calls(*breaker, 2, Verdict::failure, t0);
  const auto probe = breaker->admit(t0 + 30s);
  EXPECT_TRUE(probe);
  EXPECT_FALSE(breaker->record(early, Verdict::success, t0 + 31s).to);
  EXPECT_EQ(breaker->state(), State::half_open);
  EXPECT_FALSE(breaker->record(early_too, Verdict::failure, t0 + 31s).to);
  EXPECT_EQ(breaker->state(), State::half_open);
  EXPECT_EQ(breaker->record(probe, Verdict::success, t0 + 31s).to, State::closed);
  EXPECT_FALSE(breaker->record(probe, Verdict::failure, t0 + 31s).to);  // told twice
  EXPECT_EQ(breaker->snapshot(t0 + 31s).counts, CallCounts{});
}

TEST(CircuitBreaker, does_not_count_cancelled_calls) {
  auto breaker = breaker_of({.calls_min = 2});
  calls(*breaker, 100, Verdict::neither, t0);
  EXPECT_EQ(breaker->snapshot(t0).counts, CallCounts{});
}

TEST(CircuitBreaker, takes_a_generated_break_which_may_grow_with_each) {
  CircuitBreakerOptions options;
  options.open_for_generated = [](const Break& why) {
    return std::chrono::seconds(why.breaks * 10);
  };
  auto breaker = open_breaker(options);
  EXPECT_FALSE(breaker->admit(t0 + 9s));
  EXPECT_EQ(call(*breaker, Verdict::failure, t0 + 10s).open_for, 20s);
  EXPECT_FALSE(breaker->admit(t0 + 29s));
  call(*breaker, Verdict::success, t0 + 30s);
  EXPECT_EQ(breaker->state(), State::closed);
  EXPECT_EQ(call(*breaker, Verdict::failure, t0 + 30s).open_for, 10s);  // it begins anew
}

TEST(CircuitBreaker, obeys_isolate_close_and_force_open) {
  auto breaker = breaker_of({});
  EXPECT_EQ(breaker->isolate().to, State::isolated);
  EXPECT_FALSE(breaker->admit(t0));
  EXPECT_FALSE(breaker->admit(t0 + 23h));
  EXPECT_EQ(breaker->close().to, State::closed);
  EXPECT_TRUE(breaker->admit(t0));
  EXPECT_EQ(breaker->force_open(t0).to, State::open);
  EXPECT_FALSE(breaker->admit(t0 + 29s));
  EXPECT_TRUE(breaker->admit(t0 + 30s));
}

TEST(CircuitBreaker, only_counts_when_told_to) {
  auto breaker = breaker_of({.calls_min = 1, .metrics_only = true});
  calls(*breaker, 10, Verdict::failure, t0);
  EXPECT_EQ(breaker->state(), State::closed);
  EXPECT_EQ(breaker->snapshot(t0).counts, (CallCounts{.calls = 10, .failures = 10}));
}

TEST(CircuitBreaker, keeps_state_and_window_under_other_options) {
  auto breaker = open_breaker();
  ASSERT_TRUE(breaker->reconfigure({.failure_ratio = 0.9, .calls_min = 50, .open_for = 1s}));
  EXPECT_EQ(breaker->state(), State::open);
  EXPECT_FALSE(breaker->admit(t0 + 29s));  // this break was begun under the old ones
  EXPECT_FALSE(breaker->reconfigure({.calls_min = 0}));

  auto counting = breaker_of({.calls_min = 5, .window_calls = 5});
  calls(*counting, 2, Verdict::failure, t0);
  calls(*counting, 1, Verdict::success, t0);
  ASSERT_TRUE(counting->reconfigure({.failure_ratio = 1.0, .calls_min = 20, .window_calls = 20}));
  EXPECT_EQ(counting->snapshot(t0).counts, (CallCounts{.calls = 3, .failures = 2}));
  ASSERT_TRUE(counting->reconfigure({.failure_ratio = 1.0, .calls_min = 2, .window_calls = 2}));
  EXPECT_EQ(counting->snapshot(t0).counts, (CallCounts{.calls = 2, .failures = 1}));
}

TEST(CircuitBreaker, names_the_option_that_is_out_of_range) {
  const auto message = [](const CircuitBreakerOptions& options) {
    return check(options).error().message;
  };
  EXPECT_EQ(message({.failure_ratio = 0.0}),
            "circuit_breaker.failure_ratio: 0, must be more than 0 and at most 1");
  EXPECT_EQ(message({.window = 99ms}), "circuit_breaker.window: 99ms, must be from 100ms to 24h");
  EXPECT_EQ(message({.window_calls = 10}),
            "circuit_breaker.calls_min: more than window_calls, so that it would never open");
  EXPECT_EQ(message({.probes_max = 101}), "circuit_breaker.probes_max: 101, must be from 1 to 100");
  EXPECT_THAT(message({.failure_ratio = std::nullopt}),
              testing::HasSubstr("so that it would never open"));
}

/// From several threads: every call is counted once, whatever the window.
void expect_all_counted(CircuitBreaker& breaker, std::uint64_t calls_seen) {
  constexpr int each = 20'000;
  const auto work = [&](int seed) {
    for (int i = 0; i < each; ++i) {
      const bool fails = (i + seed) % 10 == 0;
      const Instant now = t0 + std::chrono::microseconds(i);
      call(breaker, fails ? Verdict::failure : Verdict::success, now);
    }
  };
  std::thread other(work, 1), third(work, 2);
  work(0);
  other.join();
  third.join();
  const auto counts = breaker.snapshot(t0 + 100ms).counts;
  EXPECT_EQ(counts.calls, calls_seen);
  EXPECT_EQ(breaker.state(), State::closed);
  EXPECT_NEAR(static_cast<double>(counts.failures), static_cast<double>(counts.calls) / 10,
              static_cast<double>(counts.calls) / 10);
}

TEST(CircuitBreaker, loses_no_call_of_several_threads_in_a_window_of_time) {
  auto breaker = breaker_of({.failure_ratio = 1.0, .calls_min = 1'000'000, .window = 10s});
  expect_all_counted(*breaker, 60'000);
  EXPECT_EQ(breaker->snapshot(t0 + 100ms).counts.failures, 6'000u);
}

TEST(CircuitBreaker, loses_no_call_of_several_threads_in_a_window_by_count) {
  // Hardly more slots than calls: a thread that is held up finds later calls in the slots it is to
  // look at.
  for (int round = 0; round < 5; ++round) {
    auto large = breaker_of({.failure_ratio = 1.0, .calls_min = 65'500, .window_calls = 65'500});
    expect_all_counted(*large, 60'000);
    ASSERT_EQ(large->snapshot(t0).counts.failures, 6'000u);
  }
  auto small = breaker_of({.failure_ratio = 1.0, .calls_min = 100, .window_calls = 100});
  expect_all_counted(*small, 100);
  calls(*small, 100, Verdict::success, t0);
  EXPECT_EQ(small->snapshot(t0).counts, (CallCounts{.calls = 100}));
}

TEST(CircuitBreaker, opens_and_closes_consistently_under_several_threads) {
  auto breaker =
      breaker_of({.failure_ratio = 0.5, .calls_min = 10, .window_calls = 10, .open_for = 1ms});
  std::atomic<int> opened{0}, closed{0};
  const auto work = [&](int seed) {
    for (int i = 0; i < 50'000; ++i) {
      const Instant now = t0 + std::chrono::microseconds(i);
      const auto admission = breaker->admit(now);
      const bool fails = (i / 5'000 + seed) % 2 == 0;
      const auto change =
          breaker->record(admission, fails ? Verdict::failure : Verdict::success, now);
      if (change.to == State::open) ++opened;
      if (change.to == State::closed) ++closed;
    }
  };
  std::thread other(work, 0);
  work(0);
  other.join();
  EXPECT_GT(opened, 0);
  EXPECT_GT(closed, 0);
  EXPECT_LE(breaker->snapshot(t0 + 1h).probes, 1);
}

TEST(CircuitBreaker, that_somebody_looks_after_is_half_open_before_its_break_is_over) {
  auto breaker = open_breaker({.successes_to_close = 2});
  const auto generation = breaker->snapshot(t0).generation;
  const auto change = breaker->try_half_open(generation);
  ASSERT_TRUE(change.to);
  EXPECT_EQ(*change.to, State::half_open);
  EXPECT_GT(change.generation, generation);
  const auto probe = breaker->admit(t0 + 1s);
  ASSERT_TRUE(probe);
  EXPECT_FALSE(breaker->admit(t0 + 1s)) << "one probe at a time, as after the break";
  EXPECT_FALSE(breaker->record(probe, Verdict::success, t0 + 1s).to);
  const auto closed = call(*breaker, Verdict::success, t0 + 1s);
  ASSERT_TRUE(closed.to);
  EXPECT_EQ(*closed.to, State::closed);
}

TEST(CircuitBreaker, is_not_half_opened_by_what_was_found_out_before_it_opened_again) {
  auto breaker = open_breaker();
  const auto generation = breaker->snapshot(t0).generation;
  ASSERT_TRUE(breaker->try_half_open(generation).to);
  call(*breaker, Verdict::failure, t0 + 1s);
  ASSERT_EQ(breaker->state(), State::open);
  EXPECT_FALSE(breaker->try_half_open(generation).to);
  EXPECT_EQ(breaker->state(), State::open);
  EXPECT_EQ(breaker->admit(t0 + 1s).retry_after, 30s);
}

TEST(CircuitBreaker, is_half_opened_from_outside_only_when_it_is_open) {
  auto breaker = breaker_of({});
  EXPECT_FALSE(breaker->try_half_open(breaker->snapshot(t0).generation).to);
  EXPECT_EQ(breaker->state(), State::closed);
  breaker->isolate();
  EXPECT_FALSE(breaker->try_half_open(breaker->snapshot(t0).generation).to);
  EXPECT_EQ(breaker->state(), State::isolated);
}

TEST(CircuitBreaker, tells_who_is_refused_of_the_next_look_when_it_comes_before_the_breaks_end) {
  auto breaker = breaker_of({.calls_min = 1});
  breaker->expect_look_after(600ms);
  call(*breaker, Verdict::failure, t0);
  EXPECT_EQ(breaker->admit(t0 + 100ms).retry_after, 500ms);
  EXPECT_EQ(breaker->snapshot(t0 + 100ms).retry_at, t0 + 600ms);
  EXPECT_EQ(breaker->admit(t0 + 600ms).retry_after, 50ms) << "the look is under way";

  const auto generation = breaker->snapshot(t0).generation;
  breaker->expect_look(generation, t0 + 3s);
  EXPECT_EQ(breaker->admit(t0 + 1s).retry_after, 2s);
  breaker->expect_look(generation, t0 + 40s);
  EXPECT_EQ(breaker->admit(t0 + 1s).retry_after, 29s) << "the break ends before";
  breaker->expect_look(generation + 1, t0 + 2s);
  EXPECT_EQ(breaker->admit(t0 + 1s).retry_after, 29s) << "it was said of another break";
  EXPECT_TRUE(breaker->admit(t0 + 30s)) << "the break ends though nobody has looked";

  breaker->expect_look_after(0ms);
  call(*breaker, Verdict::failure, t0 + 30s);
  breaker->force_open(t0 + 31s);
  EXPECT_EQ(breaker->admit(t0 + 31s).retry_after, 30s) << "nobody looks any more";
}

}  // namespace
}  // namespace weir::resilience
