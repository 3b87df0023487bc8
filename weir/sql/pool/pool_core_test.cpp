#include <weir/sql/pool/pool_core.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace weir::sql {
namespace {

using namespace std::chrono_literals;

/// A pool whose connections open at once, and a clock in the test's hand.
class Pools : public ::testing::Test {
 protected:
  void make(PoolOptions options) {
    ASSERT_TRUE(check(options));
    core = std::make_unique<PoolCore>(std::move(options));
  }

  CallerId borrow(std::optional<Instant> deadline = std::nullopt) {
    actions = {};
    return core->borrow(now, deadline, actions).value();
  }
  /// Borrows, and opens what must be opened; the connection lent.
  ConnectionId lent() {
    borrow();
    open_all();
    return actions.lend.at(0).connection;
  }
  void open_all() {
    for (const auto id : std::exchange(actions.open, {})) core->opened(id, now, 0, actions);
  }
  void give_back(ConnectionId id, Returned state = Returned::usable) {
    actions = {};
    core->given_back(id, now, state, actions);
  }
  void tick() {
    actions = {};
    core->tick(now, actions);
  }

  std::unique_ptr<PoolCore> core;
  PoolActions actions;
  Instant now{1000s};
};

TEST_F(Pools, open_a_connection_for_a_caller_and_lend_it) {
  make({});
  const auto caller = borrow();
  ASSERT_EQ(actions.open.size(), 1u);
  EXPECT_TRUE(actions.lend.empty());
  const auto id = actions.open[0];
  open_all();
  EXPECT_EQ(actions.lend, (std::vector<PoolActions::Lend>{{caller, id, false}}));
  EXPECT_EQ(core->state().in_use, 1u);
}

TEST_F(Pools, lend_again_what_comes_back_without_trying_it) {
  make({});
  const auto id = lent();
  give_back(id);
  now += 100ms;
  borrow();
  ASSERT_EQ(actions.lend.size(), 1u);
  EXPECT_EQ(actions.lend[0].connection, id);
  EXPECT_FALSE(actions.lend[0].validate);
  EXPECT_TRUE(actions.open.empty());
}

TEST_F(Pools, have_a_connection_tried_that_was_idle_for_a_while) {
  make({.validate_after = 1s});
  give_back(lent());
  now += 1001ms;
  borrow();
  EXPECT_TRUE(actions.lend.at(0).validate);
}

TEST_F(Pools, serve_callers_in_the_order_in_which_they_came) {
  make({.size_max = 1});
  const auto id = lent();
  std::vector<CallerId> callers;
  for (int i = 0; i < 5; ++i) callers.push_back(borrow());
  std::vector<CallerId> served;
  for (int i = 0; i < 5; ++i) {
    give_back(id);
    served.push_back(actions.lend.at(0).caller);
  }
  EXPECT_EQ(served, callers);
}

TEST_F(Pools, refuse_a_caller_past_those_who_may_wait) {
  make({.name = "reports", .size_max = 1, .waiting_max = 1});
  lent();
  borrow();
  const auto refused = core->borrow(now, std::nullopt, actions);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_NE(refused.error().message.find("reports"), std::string::npos);
  EXPECT_TRUE(refused.error().retry_after);
}

TEST_F(Pools, end_the_wait_of_a_caller_at_its_deadline_or_after_the_timeout) {
  make({.size_max = 1, .connection_timeout = 5s});
  lent();
  const auto patient = borrow();
  const auto hurried = borrow(now + 10ms);
  now += 10ms;
  tick();
  EXPECT_EQ(actions.timed_out, std::vector{hurried});
  now += 5s;
  tick();
  EXPECT_EQ(actions.timed_out, std::vector{patient});
}

TEST_F(Pools, forget_a_caller_that_withdraws_but_not_one_already_served) {
  make({.size_max = 1});
  const auto id = lent();
  const auto gone = borrow(), next = borrow();
  EXPECT_TRUE(core->withdraw(gone));
  give_back(id);
  EXPECT_EQ(actions.lend.at(0).caller, next);
  EXPECT_FALSE(core->withdraw(next));
}

TEST_F(Pools, tell_a_caller_when_its_connection_could_not_be_opened) {
  make({});
  const auto caller = borrow();
  const auto id = actions.open.at(0);
  actions = {};
  core->open_failed(id, actions);
  EXPECT_EQ(actions.failed, std::vector{caller});
  EXPECT_EQ(core->state().waiting, 0u);
}

TEST_F(Pools, let_a_failed_attempt_go_when_its_caller_was_served_meanwhile) {
  make({.size_max = 2});
  const auto id = lent();
  const auto caller = borrow();
  const auto attempt = actions.open.at(0);
  give_back(id);
  EXPECT_EQ(actions.lend.at(0).caller, caller);
  actions = {};
  core->open_failed(attempt, actions);
  EXPECT_TRUE(actions.failed.empty());
}

TEST_F(Pools, close_a_connection_at_the_end_of_its_life_which_differs_from_others) {
  make({.connection_lifetime = 100s, .lifetime_jitter = 0.5});
  actions = {};
  borrow();
  borrow();
  const auto ids = std::exchange(actions.open, {});
  borrow();
  core->opened(ids.at(0), now, 0, actions);
  const auto young = actions.open;
  EXPECT_EQ(core->state().in_use, 1u);
  now += 100s;
  give_back(ids.at(0));
  EXPECT_EQ(actions.close, std::vector{ids.at(0)});
  now = Instant{1000s};
  actions = {};
  core->opened(young.at(0), now, 0.8, actions);
  now += 60s;  // half of 0.8 is taken off the hundred
  give_back(young.at(0));
  EXPECT_EQ(actions.close, std::vector{young.at(0)});
}

TEST_F(Pools, close_what_nobody_uses_but_keep_the_least) {
  make({.size_min = 1, .size_max = 3, .idle_lifetime = 10s, .keepalive = 0ms});
  const auto a = lent(), b = lent(), c = lent();
  for (const auto id : {a, b, c}) give_back(id);
  now += 10s;
  tick();
  EXPECT_EQ(actions.close.size(), 2u);
  EXPECT_EQ(core->state().idle, 1u);
}

TEST_F(Pools, open_the_least_before_anybody_asks) {
  make({.size_min = 2});
  tick();
  EXPECT_EQ(actions.open.size(), 2u);
  open_all();
  EXPECT_EQ(core->state().idle, 2u);
}

TEST_F(Pools, try_idle_connections_in_the_background_and_close_the_dead) {
  make({.idle_lifetime = 0ms, .keepalive = 30s});
  const auto id = lent();
  give_back(id);
  now += 30s;
  tick();
  EXPECT_EQ(actions.validate, std::vector{id});
  actions = {};
  core->validated(id, now, Returned::usable, actions);
  EXPECT_EQ(core->state().idle, 1u);
  now += 30s;
  tick();
  actions = {};
  core->validated(id, now, Returned::unusable, actions);
  EXPECT_EQ(actions.close, std::vector{id});
}

TEST_F(Pools, do_not_keep_an_idle_connection_young_by_trying_it) {
  make({.connection_lifetime = 0ms, .idle_lifetime = 100s, .keepalive = 30s});
  const auto id = lent();
  give_back(id);
  for (int i = 0; i < 3; ++i) {
    now += 30s;
    tick();
    actions = {};
    core->validated(id, now, Returned::usable, actions);
  }
  now += 10s;
  tick();
  EXPECT_EQ(actions.close, std::vector{id});
}

TEST_F(Pools, report_a_connection_lent_for_too_long_once) {
  make({.leak_detection_threshold = 2s});
  const auto id = lent();
  now += 2s;
  tick();
  EXPECT_EQ(actions.leaked, std::vector{id});
  tick();
  EXPECT_TRUE(actions.leaked.empty());
}

TEST_F(Pools, that_are_renewed_close_every_connection_when_it_is_free) {
  make({});
  const auto a = lent(), b = lent();
  give_back(a);
  actions = {};
  core->renew(actions);
  EXPECT_EQ(actions.close, std::vector{a});
  give_back(b);
  EXPECT_EQ(actions.close, std::vector{b});
  EXPECT_NE(lent(), b);
}

TEST_F(Pools, reset_a_connection_before_it_is_lent_again) {
  make({.size_max = 1});
  const auto id = lent();
  borrow();
  give_back(id, Returned::to_reset);
  EXPECT_EQ(actions.reset, std::vector{id});
  EXPECT_TRUE(actions.lend.empty());
  actions = {};
  core->validated(id, now, Returned::usable, actions);
  ASSERT_EQ(actions.lend.size(), 1u);
  EXPECT_EQ(actions.lend[0].connection, id);
  EXPECT_FALSE(actions.lend[0].validate);
}

TEST_F(Pools, close_the_connections_that_led_to_a_server_that_left_but_no_later_ones) {
  make({});
  const auto a = lent(), b = lent(), idle = lent();
  give_back(idle);
  give_back(a, Returned::server_left);
  EXPECT_THAT(actions.close, ::testing::UnorderedElementsAre(a, idle));
  const auto later = lent();
  give_back(later);
  give_back(b, Returned::server_left);  // tells nothing new
  EXPECT_EQ(actions.close, std::vector{b});
  borrow();
  EXPECT_EQ(actions.lend.at(0).connection, later);
}

TEST_F(Pools, lend_no_more_at_once_than_the_limit) {
  make({.size_max = 4});
  const auto a = lent(), b = lent();
  actions = {};
  core->limit(2, now, actions);
  borrow();
  EXPECT_TRUE(actions.lend.empty());
  EXPECT_TRUE(actions.open.empty());
  give_back(a);
  EXPECT_EQ(actions.lend.size(), 1u);
  EXPECT_EQ(core->state().limit, 2u);
  actions = {};
  core->limit(1, now, actions);
  const auto waiting = borrow();
  give_back(b);
  EXPECT_TRUE(actions.lend.empty()) << "another is still lent";
  actions = {};
  core->limit(2, now, actions);
  EXPECT_EQ(actions.lend.at(0).caller, waiting);
}

TEST_F(Pools, open_for_callers_who_wait_once_the_limit_allows_it) {
  make({.size_max = 4});
  lent();
  actions = {};
  core->limit(1, now, actions);
  borrow();
  EXPECT_TRUE(actions.open.empty());
  actions = {};
  core->limit(3, now, actions);
  EXPECT_EQ(actions.open.size(), 1u);
}

TEST(PoolOptions, out_of_range_are_named) {
  const auto field_of = [](PoolOptions options) {
    const auto checked = check(options);
    return checked ? std::string() : checked.error().details.at("field");
  };
  EXPECT_EQ(field_of({}), "");
  EXPECT_EQ(field_of({.size_max = 0}), "size_max");
  EXPECT_EQ(field_of({.size_min = 9, .size_max = 8}), "size_min");
  EXPECT_EQ(field_of({.waiting_max = 100'001}), "waiting_max");
  EXPECT_EQ(field_of({.connection_timeout = 0ms}), "connection_timeout");
  EXPECT_EQ(field_of({.lifetime_jitter = 1}), "lifetime_jitter");
  EXPECT_EQ(field_of({.idle_lifetime = 999ms}), "idle_lifetime");
  EXPECT_EQ(field_of({.keepalive = 0ms}), "");
  EXPECT_EQ(field_of({.connection_lifetime = 999ms}), "connection_lifetime");
  EXPECT_EQ(field_of({.command_timeout = 0ms}), "");
  EXPECT_EQ(field_of({.command_timeout = 25h}), "command_timeout");
  EXPECT_EQ(field_of({.validate_after = 25h}), "validate_after");
  EXPECT_EQ(field_of({.leak_detection_threshold = 25h}), "leak_detection_threshold");
  EXPECT_EQ(field_of({.auto_prepare_max = 0}), "");
  EXPECT_EQ(field_of({.auto_prepare_max = 1'001}), "auto_prepare_max");
  EXPECT_EQ(field_of({.auto_prepare_after = 0}), "auto_prepare_after");
}

/// Whatever happens in whatever order: nobody is served twice, nothing is lent to two, the bounds
/// hold, and whoever waits while a connection is free does not.
TEST(PoolCore, keeps_its_promises_under_random_events) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const PoolOptions options{.size_min = random() % 3,
                              .size_max = 3 + random() % 5,
                              .waiting_max = 10,
                              .connection_timeout = 2s,
                              .connection_lifetime = 20s,
                              .idle_lifetime = 5s,
                              .keepalive = 1s};
    PoolCore core(options);
    Instant now{1s};
    std::set<CallerId> waiting;
    std::set<ConnectionId> opening, lent, validating;
    const auto carry_out = [&](PoolActions actions) {
      for (const auto& [caller, connection, validate] : actions.lend) {
        ASSERT_EQ(waiting.erase(caller), 1u);
        ASSERT_TRUE(lent.insert(connection).second);
      }
      for (const auto id : actions.timed_out) ASSERT_EQ(waiting.erase(id), 1u);
      for (const auto id : actions.failed) ASSERT_EQ(waiting.erase(id), 1u);
      for (const auto id : actions.open) ASSERT_TRUE(opening.insert(id).second);
      for (const auto id : actions.validate) ASSERT_TRUE(validating.insert(id).second);
      for (const auto id : actions.reset) ASSERT_TRUE(validating.insert(id).second);
      for (const auto id : actions.close) ASSERT_FALSE(lent.contains(id));
    };
    const auto any = [&](std::set<ConnectionId>& of) {
      auto it = of.begin();
      std::advance(it, random() % of.size());
      return of.extract(it).value();
    };
    constexpr Returned states[] = {Returned::usable, Returned::unusable, Returned::to_reset,
                                   Returned::server_left};
    std::size_t limit = options.size_max;
    for (int i = 0; i < 2'000; ++i) {
      PoolActions actions;
      const auto lent_before = lent.size();
      switch (random() % 8) {
        case 0:
        case 1: {
          // Lending names the caller, so it must be known first.
          if (auto caller = core.borrow(now, std::nullopt, actions)) waiting.insert(*caller);
          break;
        }
        case 2:
          if (!opening.empty()) core.opened(any(opening), now, 0.5, actions);
          break;
        case 3:
          if (!opening.empty() && random() % 3 == 0) core.open_failed(any(opening), actions);
          break;
        case 4:
          if (!lent.empty()) core.given_back(any(lent), now, states[random() % 5 % 4], actions);
          break;
        case 5:
          if (!validating.empty()) {
            const auto state = states[random() % 4];
            core.validated(any(validating), now,
                           state == Returned::to_reset ? Returned::usable : state, actions);
          }
          break;
        case 6:
          limit = 1 + random() % options.size_max;
          core.limit(limit, now, actions);
          break;
        default:
          now += std::chrono::milliseconds(random() % 700);
          core.tick(now, actions);
      }
      carry_out(std::move(actions));
      if (HasFatalFailure()) return;
      const auto state = core.state();
      ASSERT_EQ(state.waiting, waiting.size());
      ASSERT_EQ(state.in_use, lent.size());
      ASSERT_EQ(state.opening, opening.size());
      ASSERT_LE(state.in_use + state.idle + state.opening, options.size_max);
      ASSERT_LE(state.waiting, options.waiting_max + options.size_max);
      ASSERT_TRUE(state.waiting == 0 || state.idle == validating.size() || state.in_use >= limit);
      ASSERT_TRUE(lent_before >= lent.size() || lent.size() <= limit) << "lent past the limit";
    }
  }
}

}  // namespace
}  // namespace weir::sql
