#include <gmock/gmock.h>

#include <thread>

#include <weir/store/conformance/conformance.hpp>

namespace weir::conformance {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

namespace {

/// Takes steps until so many events have come; what they were.
std::vector<std::uint64_t> take(Subscription& subscription, std::size_t count) {
  std::vector<std::uint64_t> positions;
  while (positions.size() < count) {
    auto step = subscription.next();
    EXPECT_TRUE(step) << to_string(step.error());
    if (!step) break;
    for (const auto& event : step->batch) positions.push_back(event.position().value);
  }
  return positions;
}

CallOptions for_a_minute() {
  return {.deadline = system_clock().instant() + 60s};
}

}  // namespace

TEST_P(Conformance, a_subscription_gives_what_is_there_and_then_what_comes) {
  append({simple("A"), simple("A")});
  auto subscription = log_->subscribe({.call = for_a_minute()});
  ASSERT_TRUE(subscription);
  EXPECT_THAT(take(**subscription, 2), ElementsAre(1, 2));
  append({simple("A"), simple("A")});
  EXPECT_THAT(take(**subscription, 2), ElementsAre(3, 4));
  append({simple("A")});
  EXPECT_THAT(take(**subscription, 1), ElementsAre(5));
  EXPECT_EQ((*subscription)->cursor().value, 5u);
}

TEST_P(Conformance, a_subscription_resumes_past_a_position_and_filters) {
  append({simple("A", {"x"}), simple("B", {"x"}), simple("A", {"x"})});
  auto subscription = log_->subscribe(
      {.query = Query{}.of_type("A").tagged("x"), .after = Position(1), .call = for_a_minute()});
  ASSERT_TRUE(subscription);
  EXPECT_THAT(take(**subscription, 1), ElementsAre(3));
  append({simple("B", {"x"}), simple("A", {"y"}), simple("A", {"x"})});
  EXPECT_THAT(take(**subscription, 1), ElementsAre(6));
}

TEST_P(Conformance, a_subscription_says_when_it_has_caught_up) {
  append({simple("A"), simple("A")});
  auto subscription = log_->subscribe({.query = Query{}.tagged("none"), .call = for_a_minute()});
  ASSERT_TRUE(subscription);
  while (true) {
    const auto step = (*subscription)->next();
    ASSERT_TRUE(step) << to_string(step.error());
    EXPECT_TRUE(step->batch.empty());
    if (!step->caught_up) continue;
    EXPECT_EQ(step->cursor.value, 2u) << "the cursor moves past what does not match";
    break;
  }
}

TEST_P(Conformance, a_subscription_past_the_head_tells_the_head_that_there_is) {
  append({simple("A"), simple("A")});
  // The second finds the log being followed already.
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < 2; ++i) {
    auto opened = log_->subscribe({.after = Position(9999), .call = for_a_minute()});
    ASSERT_TRUE(opened);
    subscriptions.push_back(std::move(*opened));
    SubscriptionStep step;
    while (!step.caught_up) {
      auto next = subscriptions.back()->next(20ms);
      ASSERT_TRUE(next) << to_string(next.error());
      step = std::move(*next);
    }
    EXPECT_EQ(step.head.value, 2u);
    EXPECT_EQ(step.cursor.value, 9999u);
    const auto heartbeat = subscriptions.back()->next(1ms);
    ASSERT_TRUE(heartbeat) << to_string(heartbeat.error());
    EXPECT_EQ(heartbeat->head.value, 2u);
    EXPECT_TRUE(heartbeat->caught_up);
  }
}

TEST_P(Conformance, a_subscription_ends_with_its_stop_token_and_its_deadline) {
  std::stop_source stop;
  auto stopped = log_->subscribe({.call = {.stop = stop.get_token()}});
  ASSERT_TRUE(stopped);
  std::jthread stopper([&] { stop.request_stop(); });
  Result<SubscriptionStep> last = SubscriptionStep{};
  while (last) last = (*stopped)->next();
  EXPECT_EQ(last.error().code, Code::cancelled);

  auto timed = log_->subscribe({.call = {.deadline = system_clock().instant() + 100ms}});
  ASSERT_TRUE(timed);
  last = SubscriptionStep{};
  while (last) last = (*timed)->next();
  EXPECT_EQ(last.error().code, Code::deadline_exceeded);
}

TEST_P(ConcurrencyConformance, many_subscribers_see_every_event_once_in_order) {
  constexpr std::size_t events_total = 2000;
  std::vector<std::jthread> subscribers;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    subscribers.emplace_back([&, i] {
      SubscribeRequest request{.call = for_a_minute()};
      // Small batches for some: they fall behind and read from the store.
      if (i % 2 == 0) request.batch_events_max = 3;
      auto subscription = log_->subscribe(std::move(request));
      ASSERT_TRUE(subscription);
      const auto seen = take(**subscription, events_total);
      std::vector<std::uint64_t> wanted(events_total);
      for (std::size_t p = 0; p < events_total; ++p) wanted[p] = p + 1;
      if (seen == wanted) ++right;
    });
  }
  std::vector<std::jthread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (std::size_t n = 0; n < events_total / 4 / 5; ++n) {
        ASSERT_TRUE(log_->append({.events = std::vector<Event>(5, simple("A"))}));
      }
    });
  }
  writers.clear();
  subscribers.clear();
  EXPECT_EQ(right, 8);
}

}  // namespace weir::conformance
