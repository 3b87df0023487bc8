#include <algorithm>
#include <future>

#include <tests/faults_postgres/shielded_store.hpp>
#include <weir/open.hpp>

namespace weir::faults_postgres {
namespace {

using namespace std::chrono_literals;
using testing_support::Attempt;
using testing_support::Follower;
using State = resilience::CircuitBreaker::State;

using Stopped = Faults;
using Frozen = Faults;

TEST_F(Stopped, for_two_seconds_shows_no_error_to_callers_who_allow_retries) {
  const ShieldedStore store(uri, patient());
  std::size_t before = 0;
  show_no_error(store, 4, [&] {
    pause(500ms);
    before = ledger.events_acknowledged();
    cluster().stop();
    pause(2s);
    cluster().start();
    pause(1500ms);
  });
  EXPECT_GT(before, 0u);
  EXPECT_GT(ledger.events_acknowledged(), before) << "nothing was appended after the outage";
  EXPECT_GT(store.heard->heard().size(), 0u) << "nothing was tried again, so nothing was shown";
}

TEST_F(Stopped, by_a_kill_under_load_loses_nothing_that_was_acknowledged) {
  const ShieldedStore store(uri, patient());
  show_no_error(store, 4, [&] {
    pause(500ms);
    cluster().kill();
    pause(500ms);
    cluster().start();
    pause(1s);
  });
}

/// The nine tenths that were quickest: the machine may have been doing something else meanwhile.
template <class Call>
Instant::duration most_of(Call call) {
  std::vector<Instant::duration> took;
  for (int i = 0; i < 100; ++i) {
    const auto began = system_clock().instant();
    const auto result = call();
    // A probe now and then is let through, and takes as long as it takes.
    if (!result && result.error().reason == Reason::circuit_open) {
      EXPECT_EQ(result.error().code, Code::unavailable);
      EXPECT_TRUE(result.error().retry_after);
      took.push_back(system_clock().instant() - began);
    }
  }
  std::sort(took.begin(), took.end());
  return took.size() < 50 ? Instant::duration::max() : took[took.size() * 9 / 10];
}

TEST_F(Stopped, for_long_opens_the_circuits_which_refuse_at_once_and_close_when_it_is_back) {
  const ShieldedStore store(uri, hasty());
  Follower follower{{}};
  follower.follow(store.log);
  auto appenders = append(store);
  Readers readers(store.log, 4);
  pause(500ms);
  cluster().stop();
  ASSERT_TRUE(store.reach(State::open, 10s)) << store.in_words();
  EXPECT_LT(most_of([&] { return store.log->head(); }), 1ms);
  EXPECT_LT(
      most_of([&] { return store.log->append({.events = {{.type = "Lost", .data = "{}"}}}); }),
      1ms);
  pause(2s);
  EXPECT_FALSE(store.reach(State::closed, 0ms));
  cluster().start();
  ASSERT_TRUE(store.reach(State::closed, 10s)) << store.in_words();
  pause(1s);
  appenders->join();
  readers.join();

  EXPECT_GT(ledger.failures(), 0u) << "nobody noticed the outage";
  EXPECT_GT(readers.errors(), 0u);
  const auto words = store.heard->in_words();
  EXPECT_NE(words.find("half_opened"), std::string::npos);
  compare(follower);  // it was never disconnected
}

TEST_F(Stopped, keeps_no_log_that_is_open_from_being_found_and_tells_when_to_ask_for_others) {
  const ShieldedStore store(uri, hasty());
  cluster().stop();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(store.log->head());
  EXPECT_TRUE(store.catalog->open("default"));
  const auto other = store.catalog->open("other");
  EXPECT_EQ(other.error().code, Code::unavailable);
  EXPECT_TRUE(other.error().retry_after);
  EXPECT_EQ(store.catalog->list().error().code, Code::unavailable);
  const auto snapshot = store.log->load_snapshot({.projection = "p", .query_hash = "q"});
  EXPECT_EQ(snapshot.error().code, Code::unavailable);
  cluster().start();
}

TEST_F(Stopped, while_a_store_is_opened_is_said_at_once_or_waited_for) {
  cluster().stop();
  auto began = system_clock().instant();
  const auto refused = open_catalog(uri);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_LT(system_clock().instant() - began, 2s);

  began = system_clock().instant();
  const auto in_vain = open_catalog(uri, {.connect_timeout = 500ms, .wait_until_up = true});
  EXPECT_EQ(in_vain.error().code, Code::unavailable);
  EXPECT_LT(system_clock().instant() - began, 3s);

  auto opening = std::async(std::launch::async, [this] {
    return open_catalog(uri, {.connect_timeout = 20s, .wait_until_up = true});
  });
  pause(500ms);
  cluster().start();
  const auto opened = opening.get();
  ASSERT_TRUE(opened) << to_string(opened.error());
  const auto log = (*opened)->open("default").value();
  EXPECT_TRUE(log->append({.events = {{.type = "T", .data = "{}"}}}));
}

TEST_F(Stopped, ends_the_wait_of_an_opening_that_is_stopped) {
  cluster().stop();
  std::stop_source stop;
  std::thread stopper([&] {
    pause(300ms);
    stop.request_stop();
  });
  const auto began = system_clock().instant();
  const auto opened =
      open_catalog(uri, {.connect_timeout = 60s, .wait_until_up = true, .stop = stop.get_token()});
  stopper.join();
  EXPECT_EQ(opened.error().code, Code::cancelled);
  EXPECT_LT(system_clock().instant() - began, 5s);
  cluster().start();
}

TEST_F(Frozen, for_two_seconds_holds_callers_up_and_shows_no_error) {
  const ShieldedStore store(uri, patient());
  show_no_error(store, 4, [&] {
    pause(500ms);
    cluster().freeze();
    pause(2s);
    cluster().thaw();
    pause(1s);
  });
}

TEST_F(Frozen, answers_callers_at_their_deadline_and_says_that_nothing_was_recorded) {
  const ShieldedStore store(uri, patient());
  ASSERT_TRUE(store.log->append({.events = {{.type = "Before", .data = "{}"}}}));
  cluster().freeze();
  const auto began = system_clock().instant();
  const auto head = store.log->head({.deadline = began + 200ms});
  EXPECT_EQ(head.error().code, Code::deadline_exceeded) << to_string(head.error());
  EXPECT_LT(system_clock().instant() - began, 1s);
  const auto appended = store.log->append(
      {.events = {{.type = "Frozen", .data = "{}"}}, .call = {.deadline = began + 1s}});
  EXPECT_EQ(appended.error().code, Code::deadline_exceeded) << to_string(appended.error());
  EXPECT_TRUE(engine::is_nothing_recorded(appended.error()));
  EXPECT_LT(system_clock().instant() - began, 4s);
  cluster().thaw();
  ASSERT_TRUE(store.log->append({.events = {{.type = "After", .data = "{}"}}}));
  const auto events = store.log->read({}).collect().value().events;
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].type, "After");
}

TEST_F(Frozen, for_long_opens_the_circuits_and_they_close_when_it_thaws) {
  auto options = hasty();
  options.read.timeout.after = options.write.timeout.after = 300ms;
  const ShieldedStore store(
      uri, options, {.connect_time_max = 500ms, .write_time_max = 1s, .settle_time_max = 10s});
  Follower follower{{}};
  follower.follow(store.log);
  const auto appenders = append(store);
  Readers readers(store.log, 4);
  pause(500ms);
  cluster().freeze();
  pause(5s);
  EXPECT_NE(store.state(0), State::closed);
  EXPECT_GT(readers.errors(), 0u);
  cluster().thaw();
  ASSERT_TRUE(store.reach(State::closed, 15s)) << store.in_words();
  pause(500ms);
  appenders->join();
  readers.join();
  compare(follower);
}

}  // namespace
}  // namespace weir::faults_postgres
