#include <bench/retry_storm/storm.hpp>

#include <gtest/gtest.h>

namespace weir::bench {
namespace {

using namespace std::chrono_literals;

/// A tenth of the chart's storm, with processes of the same size.
StormOptions small() {
  return {.clients = 10'000, .processes = 10, .capacity = 800, .queue_max = 2'000};
}

TEST(ARetryStorm, does_not_come_of_single_attempts) {
  const auto outcome = simulate(small(), {.attempts_max = 1});
  EXPECT_LE(outcome.amplification, 1.01);
  ASSERT_TRUE(outcome.recovered_after);
  EXPECT_LE(*outcome.recovered_after, 20s);
}

TEST(ARetryStorm, outlasts_its_cause_when_clients_retry_without_bounds) {
  for (const bool jitter : {false, true}) {
    const auto outcome = simulate(small(), {.attempts_max = 3, .jitter = jitter});
    EXPECT_GT(outcome.amplification, 2.0);
    EXPECT_FALSE(outcome.recovered_after) << "jitter " << jitter;
  }
}

TEST(ARetryStorm, is_ended_by_a_retry_budget) {
  const auto outcome = simulate(small(), {.jitter = true, .budget = true});
  EXPECT_LT(outcome.amplification, 1.3);
  ASSERT_TRUE(outcome.recovered_after);
  EXPECT_LE(*outcome.recovered_after, 30s);
}

TEST(ARetryStorm, is_ended_by_a_circuit_breaker) {
  const auto outcome = simulate(small(), {.jitter = true, .breaker = true});
  ASSERT_TRUE(outcome.recovered_after);
  EXPECT_LE(*outcome.recovered_after, 30s);
}

TEST(ARetryStorm, never_begins_with_an_adaptive_limit_which_keeps_the_slow_service_useful) {
  const auto limited = simulate(small(), {.jitter = true, .budget = true, .adaptive_limit = true});
  ASSERT_TRUE(limited.recovered_after);
  EXPECT_LE(*limited.recovered_after, 10s);
  const auto budget_alone = simulate(small(), {.jitter = true, .budget = true});
  EXPECT_GT(limited.answered_while_slow, 2 * budget_alone.answered_while_slow);
}

TEST(ARetryStorm, is_the_same_each_time) {
  const auto one = simulate(small(), {.jitter = true, .breaker = true});
  const auto two = simulate(small(), {.jitter = true, .breaker = true});
  EXPECT_EQ(one.seconds.sent, two.seconds.sent);
  EXPECT_EQ(one.seconds.answered, two.seconds.answered);
}

}  // namespace
}  // namespace weir::bench
