#include <weir/resilience/retry/retry.hpp>

#include <gtest/gtest.h>

#include <weir/resilience/testing/start.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

std::vector<double> seconds_of(const BackoffOptions& options, double chance, int count) {
  Delays delays;
  std::vector<double> seconds;
  for (int i = 0; i < count; ++i) {
    seconds.push_back(std::chrono::duration<double>(delays.next(options, chance)).count());
  }
  return seconds;
}

void expect_near(const std::vector<double>& is, const std::vector<double>& should) {
  ASSERT_EQ(is.size(), should.size());
  for (std::size_t i = 0; i < is.size(); ++i) EXPECT_NEAR(is[i], should[i], 1e-6) << i;
}

Retrying::Decision fail(Retrying& retrying, const RetryOptions& options, const Error& error,
                        Instant now = t0, Instant deadline = Instant::max()) {
  return retrying.failed(options, Outcome::of_error(error), now, deadline, 0.5);
}

TEST(Backoff, grows_as_it_is_named) {
  const BackoffOptions base{.delay = 1s, .delay_max = 1h, .jitter = Jitter::none};
  auto options = base;
  options.backoff = Backoff::constant;
  expect_near(seconds_of(options, 0.7, 3), {1, 1, 1});
  options.backoff = Backoff::linear;
  expect_near(seconds_of(options, 0.7, 3), {1, 2, 3});
  options.backoff = Backoff::exponential;
  expect_near(seconds_of(options, 0.7, 4), {1, 2, 4, 8});
}

TEST(Backoff, never_passes_delay_max_however_long_it_goes_on) {
  for (const auto jitter : {Jitter::none, Jitter::decorrelated, Jitter::polly}) {
    const auto delays = seconds_of({.delay = 1s, .delay_max = 30s, .jitter = jitter}, 0.999, 1000);
    EXPECT_NEAR(delays.back(), 30, 1e-9);
    for (const double delay : delays) {
      EXPECT_LE(delay, 30.0);
      EXPECT_GE(delay, 0.0);
    }
  }
}

TEST(Backoff, spreads_by_chance_within_what_the_jitter_says) {
  BackoffOptions options{.delay = 2s, .delay_max = 1h, .backoff = Backoff::constant};
  options.jitter = Jitter::full;
  expect_near(seconds_of(options, 0.25, 1), {0.5});
  options.jitter = Jitter::equal;
  expect_near(seconds_of(options, 0.25, 1), {1.25});
  options.jitter = Jitter::polly;  // a quarter less to a quarter more
  expect_near(seconds_of(options, 0.0, 1), {1.5});
  expect_near(seconds_of(options, 0.5, 1), {2.0});
  options.jitter = Jitter::decorrelated;  // from 2 s to three times the one before
  expect_near(seconds_of(options, 0.0, 3), {2, 2, 2});
  expect_near(seconds_of(options, 0.5, 3), {4, 7, 11.5});
}

TEST(Backoff, follows_the_curve_of_polly) {
  const BackoffOptions options{
      .delay = 1s, .delay_max = 1h, .backoff = Backoff::exponential, .jitter = Jitter::polly};
  expect_near(seconds_of(options, 0.5, 6),
              {0.897405, 1.093004, 2.035748, 4.045979, 8.083632, 16.163663});
  expect_near(seconds_of(options, 0.0, 6), {0, 1.377182, 1.460067, 2.865850, 5.717807, 11.430272});
}

TEST(Backoff, is_nothing_for_a_delay_of_nothing) {
  expect_near(seconds_of({.delay = 0s, .delay_max = 0s}, 0.5, 2), {0, 0});
}

TEST(Retry, makes_at_most_so_many_attempts) {
  const RetryOptions options{.attempts_max = 3, .delay = 1s, .jitter = Jitter::none};
  Retrying retrying(t0);
  EXPECT_EQ(retrying.attempt(), 1);
  EXPECT_EQ(fail(retrying, options, unavailable("")).delay, 1s);
  EXPECT_EQ(retrying.attempt(), 2);
  EXPECT_EQ(fail(retrying, options, unavailable("")).delay, 2s);
  EXPECT_EQ(retrying.attempt(), 3);
  EXPECT_FALSE(fail(retrying, options, unavailable("")).again);
}

TEST(Retry, waits_at_least_as_long_as_the_callee_asks) {
  const RetryOptions options{
      .attempts_max = 9, .delay = 1s, .delay_max = 10s, .jitter = Jitter::none};
  Retrying retrying(t0);
  EXPECT_EQ(fail(retrying, options, overloaded("", 7s)).delay, 7s);
  EXPECT_EQ(fail(retrying, options, overloaded("", 1ms)).delay, 2s);
}

TEST(Retry, gives_up_when_the_callee_asks_for_more_than_the_longest_delay) {
  const RetryOptions options{.attempts_max = 9, .delay_max = 10s};
  Retrying retrying(t0);
  EXPECT_FALSE(fail(retrying, options, overloaded("", 11s)).again);
}

TEST(Retry, begins_no_attempt_after_its_total_time_or_the_deadline) {
  const RetryOptions options{
      .attempts_max = 9, .delay = 1s, .jitter = Jitter::none, .total_max = 5s};
  Retrying retrying(t0);
  EXPECT_TRUE(fail(retrying, options, unavailable(""), t0 + 4s).again);   // at 5 s
  EXPECT_FALSE(fail(retrying, options, unavailable(""), t0 + 4s).again);  // at 6 s
  Retrying other(t0);
  EXPECT_FALSE(fail(other, options, unavailable(""), t0, t0 + 1s).again);
  Retrying third(t0);
  EXPECT_TRUE(fail(third, options, unavailable(""), t0, t0 + 1001ms).again);
}

TEST(Retry, takes_a_generated_delay_and_leaves_what_is_none_to_the_backoff) {
  RetryOptions options{.attempts_max = 9, .delay = 1s, .delay_max = 2s, .jitter = Jitter::none};
  options.delay_generated = [](const RetryInfo& info) -> std::optional<Duration> {
    if (info.attempts == 1) return 5s;  // delay_max does not bind it
    if (info.attempts == 2) return -1s;
    return std::nullopt;
  };
  Retrying retrying(t0);
  EXPECT_EQ(fail(retrying, options, unavailable("")).delay, 5s);
  EXPECT_EQ(fail(retrying, options, unavailable("")).delay, 2s);
  EXPECT_EQ(fail(retrying, options, unavailable("")).delay, 2s);
}

TEST(Retry, goes_on_after_attempts_that_failed_before) {
  for (const auto jitter : {Jitter::none, Jitter::full, Jitter::decorrelated, Jitter::polly}) {
    const RetryOptions options{.attempts_max = 4, .delay = 1s, .jitter = jitter};
    Retrying kept(t0);
    for (int failed = 0; failed < 4; ++failed) {
      Retrying begun_anew(t0, options, failed, 0.5);
      EXPECT_EQ(begun_anew.attempt(), kept.attempt());
      const auto decision = fail(begun_anew, options, unavailable(""));
      const auto expected = fail(kept, options, unavailable(""));
      EXPECT_EQ(decision.again, expected.again) << failed;
      EXPECT_EQ(decision.delay, expected.delay) << failed;
    }
  }
}

TEST(RetryBudget, forbids_retries_at_half_and_earns_them_back_by_successes) {
  auto budget = RetryBudget::create({.tokens_max = 10, .token_ratio = 0.1}).value();
  for (int i = 0; i < 4; ++i) budget->failed();
  EXPECT_TRUE(budget->may_retry());  // 6 of 10
  budget->failed();
  EXPECT_FALSE(budget->may_retry());  // 5 of 10
  budget->succeeded();
  EXPECT_TRUE(budget->may_retry());  // 5.1
  for (int i = 0; i < 100; ++i) budget->failed();
  EXPECT_EQ(budget->tokens(), 0);
  for (int i = 0; i < 1000; ++i) budget->succeeded();
  EXPECT_EQ(budget->tokens(), 10);
}

TEST(RetryBudget, bounds_the_retries_of_all_that_share_it) {
  RetryOptions options{.attempts_max = 100, .delay = 0s};
  options.budget = RetryBudget::create({.tokens_max = 10}).value();
  int retries = 0;
  for (int call = 0; call < 100; ++call) {
    Retrying retrying(t0);
    while (fail(retrying, options, unavailable("")).again) ++retries;
  }
  EXPECT_EQ(retries, 4);
}

TEST(Retry, names_the_option_that_is_out_of_range) {
  const auto message = [](const RetryOptions& options) { return check(options).error().message; };
  EXPECT_EQ(message({.attempts_max = 0}), "retry.attempts_max: 0, must be from 1 to 1000");
  EXPECT_EQ(message({.name = "of the bank", .delay = -1s}),
            "of the bank.delay: -1s, must be from 0s to 24h");
  EXPECT_EQ(message({.delay = 31s}), "retry.delay: more than delay_max");
  EXPECT_EQ(message({.total_max = 0s}), "retry.total_max: 0s, must be from 1ms to 24h");
  EXPECT_EQ(RetryBudget::create({.token_ratio = 2}).error().message,
            "retry_budget.token_ratio: 2, must be from 0.001 to 1");
}

}  // namespace
}  // namespace weir::resilience
