#include <weir/resilience/circuit_breaker/call.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

#include <weir/resilience/testing/fake_time.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

struct CallTest : testing::Test {
  FakeTime time;
  Handled handled;
  std::unique_ptr<CircuitBreaker> breaker =
      CircuitBreaker::create({.calls_min = 2, .slow_call_ratio = 1.0, .slow_call = 1s}).value();
};
using ACallThroughABreaker = CallTest;

TEST_F(ACallThroughABreaker, opens_it_by_errors_and_exceptions_and_is_then_refused) {
  EXPECT_EQ(call(*breaker, time, handled, [] { return 1; }).value(), 1);
  EXPECT_FALSE(call(*breaker, time, handled, []() -> Result<int> { return unavailable(""); }));
  EXPECT_EQ(breaker->state(), State::open);
  const auto refused = call(*breaker, time, handled, [] { return 1; });
  EXPECT_EQ(refused.error().reason, Reason::circuit_open);
  EXPECT_EQ(refused.error().retry_after, 30s);
  time.advance(30s);
  EXPECT_THROW((void)call(*breaker, time, handled, []() -> int { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(breaker->state(), State::open);
  time.advance(30s);
  EXPECT_TRUE(call(*breaker, time, handled, [] {}));
  EXPECT_EQ(breaker->state(), State::closed);
}

TEST_F(ACallThroughABreaker, opens_it_by_being_slow) {
  for (int i = 0; i < 2; ++i) (void)call(*breaker, time, handled, [&] { time.advance(2s); });
  EXPECT_EQ(breaker->state(), State::open);
}

TEST_F(ACallThroughABreaker, counts_for_nothing_when_cancelled) {
  (void)call(*breaker, time, handled, []() -> Result<int> { return cancelled(); });
  EXPECT_EQ(breaker->snapshot(time.instant()).counts, CallCounts{});
}

}  // namespace
}  // namespace weir::resilience
