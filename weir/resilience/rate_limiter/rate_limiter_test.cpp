#include <weir/resilience/rate_limiter/rate_limiter.hpp>

#include <gtest/gtest.h>

#include <thread>

#include <weir/resilience/testing/start.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<RateLimiter> limiter_of(const RateLimiterOptions& options) {
  return RateLimiter::create(options).value();
}

int admitted(RateLimiter& limiter, int calls, Instant now, std::string_view key = {}) {
  int count = 0;
  for (int i = 0; i < calls; ++i) count += limiter.admit(now, key) ? 1 : 0;
  return count;
}

TEST(TokenBucket, admits_a_burst_and_then_its_rate) {
  auto limiter = limiter_of({.permits = 10, .per = 1s, .burst = 5});
  EXPECT_EQ(admitted(*limiter, 100, t0), 5);
  EXPECT_EQ(limiter->admit(t0).retry_after, 100ms);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 99ms), 0);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 100ms), 1);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 400ms), 3);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 1h), 5);
}

TEST(TokenBucket, keeps_its_rate_in_the_long_run_under_several_threads) {
  auto limiter = limiter_of({.permits = 1000, .per = 1s, .burst = 1});
  std::atomic<int> count{0};
  const auto work = [&] {
    for (int i = 0; i < 200'000; ++i) {
      if (limiter->admit(t0 + std::chrono::microseconds(i * 10))) ++count;
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_GE(count, 1'900);
  EXPECT_LE(count, 2'000);
}

TEST(SlidingWindow, admits_so_many_in_any_window) {
  auto limiter = limiter_of({.algorithm = RateAlgorithm::sliding_window, .permits = 10, .per = 1s});
  EXPECT_EQ(admitted(*limiter, 6, t0 + 500ms), 6);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 900ms), 4);
  EXPECT_EQ(limiter->admit(t0 + 900ms).retry_after, 600ms);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 1499ms), 0);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 1500ms), 6);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 1899ms), 0);
  EXPECT_EQ(admitted(*limiter, 100, t0 + 1900ms), 4);
}

TEST(RateLimiter, gives_each_key_a_bucket_of_its_own) {
  for (const auto algorithm : {RateAlgorithm::token_bucket, RateAlgorithm::sliding_window}) {
    auto limiter = limiter_of({.algorithm = algorithm, .permits = 3, .keyed = true});
    EXPECT_EQ(admitted(*limiter, 10, t0, "ada"), 3);
    EXPECT_EQ(admitted(*limiter, 10, t0, "bob"), 3);
    EXPECT_EQ(admitted(*limiter, 10, t0, "ada"), 0);
  }
}

TEST(RateLimiter, remembers_a_bounded_number_of_keys_and_forgets_the_one_unused_longest) {
  auto limiter = limiter_of({.permits = 1, .per = 1h, .keyed = true, .keys_max = 1600});
  EXPECT_EQ(admitted(*limiter, 1, t0, "often"), 1);
  for (int i = 0; i < 100'000; ++i) {
    admitted(*limiter, 1, t0, std::to_string(i));
    ASSERT_EQ(admitted(*limiter, 1, t0, "often"), 0) << i;
  }
  EXPECT_LE(limiter->keys(), 1600u);
  EXPECT_EQ(admitted(*limiter, 1, t0, "0"), 1);  // forgotten
}

TEST(RateLimiter, keeps_what_was_used_up_under_another_rate) {
  auto limiter = limiter_of({.permits = 10, .per = 1s, .burst = 10});
  EXPECT_EQ(admitted(*limiter, 100, t0), 10);
  ASSERT_TRUE(limiter->reconfigure({.permits = 100, .per = 1s, .burst = 10}));
  EXPECT_EQ(admitted(*limiter, 100, t0), 0);
  EXPECT_FALSE(limiter->reconfigure({.keyed = true}));
}

TEST(RateLimiter, names_the_option_that_is_out_of_range) {
  EXPECT_EQ(check(RateLimiterOptions{.permits = 0}).error().message,
            "rate_limiter.permits: 0, must be from 1 to 10000000");
  EXPECT_EQ(check(RateLimiterOptions{.permits = 1'000'000, .per = 1ms}).error().message,
            "rate_limiter.per: less than 100 ns for each permit");
}

TEST(RateLimiter, lets_through_what_takes_more_and_makes_the_next_wait_for_it) {
  auto limiter = RateLimiter::create({.permits = 10, .keyed = true}).value();
  EXPECT_TRUE(limiter->admit(t0, "a", 30));
  const auto refused = limiter->admit(t0, "a", 1);
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.retry_after, 2100ms);
  EXPECT_TRUE(limiter->admit(t0, "b", 1));
  EXPECT_FALSE(limiter->admit(t0 + 2099ms, "a", 1));
  EXPECT_TRUE(limiter->admit(t0 + 2100ms, "a", 1));
}

}  // namespace
}  // namespace weir::resilience
