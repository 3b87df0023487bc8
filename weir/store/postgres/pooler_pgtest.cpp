#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include <tests/support/load.hpp>
#include <tests/support/pooler.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using testing_support::Pooler;
using testing_support::PostgresCluster;
using testing_support::TestDatabase;

/// Stores behind a real PgBouncer, in each of its modes that is of use.
class BehindPooler : public ::testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<Store> open() const {
    auto store =
        Store::open({.uri = pooler.by_way_of(database.uri)}, std::make_shared<engine::Threads>());
    EXPECT_TRUE(store) << to_string(store.error());
    return *store;
  }

  TestDatabase database;
  /// A few connections, so that transactions of several clients share them.
  Pooler pooler{PostgresCluster::shared(), GetParam(),
                std::string_view(GetParam()) == "session" ? 20 : 3};
};

INSTANTIATE_TEST_SUITE_P(Postgres, BehindPooler, ::testing::Values("session", "transaction"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST_P(BehindPooler, two_stores_share_a_log_and_lose_and_double_nothing) {
  const auto first = open(), second = open();
  const auto one = first->open("default", {}).value(), other = second->open("default", {}).value();
  testing_support::Ledger ledger;
  testing_support::Follower follower{{}};
  follower.follow(one);
  {
    testing_support::Appenders appenders({one, one, other, other}, ledger, 11);
    std::this_thread::sleep_for(1500ms);
    appenders.join();
  }
  EXPECT_GT(ledger.events_acknowledged(), 20u);
  EXPECT_EQ(ledger.failures(), 0u) << ledger.failures_in_words();
  ASSERT_NO_FATAL_FAILURE(ledger.check(*open()->open("default", {}).value()));
  EXPECT_TRUE(follower.reach(Position(ledger.markers().size())));
  EXPECT_EQ(follower.seen().size(), ledger.markers().size());
}

TEST_P(BehindPooler, subscriber_is_told_soon_of_what_another_process_appends) {
  const auto here = open(), elsewhere = open();
  const auto subscription = here->open("default", {}).value()->subscribe({}).value();
  ASSERT_TRUE(subscription->next(2s));  // it is caught up
  const auto log = elsewhere->open("default", {}).value();
  ASSERT_TRUE(log->append({.events = {{.type = "T", .data = "{}"}}}));
  const auto appended = system_clock().instant();
  std::size_t events = 0;
  while (events == 0 && system_clock().instant() < appended + 20s) {
    const auto step = subscription->next(1s);
    if (step) events += step->batch.size();
  }
  EXPECT_EQ(events, 1u);
  EXPECT_LT(system_clock().instant() - appended, 3s);
  // The event may have come with the subscription's own first look, before that is known.
  const auto says = [&] {
    const auto checks = here->health();
    return std::any_of(
        checks.front().data.begin(), checks.front().data.end(), [](const auto& entry) {
          return entry.first == "appends_of_others" &&
                 entry.second == HealthValue(std::string("asked for, since there is a pooler"));
        });
  };
  while (!says() && system_clock().instant() < appended + 20s) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(says());
}

}  // namespace
}  // namespace weir::postgres
