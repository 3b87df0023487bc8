#include <weir/store/engine/log.hpp>

#include <gmock/gmock.h>

#include <future>

#include <weir/base/may_block.hpp>

#include <tests/support/fake_backend.hpp>

namespace weir::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::FakeBackend;
using namespace std::chrono_literals;

Event event(std::string type, std::vector<std::string> tags = {}) {
  return {.type = std::move(type), .tags = std::move(tags), .data = "{}"};
}

class EngineLog : public testing::Test {
 protected:
  void open(LogEngineOptions options = {}) {
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    log_ = std::make_shared<Log>(std::move(backend), std::make_shared<Tail>(Tail::Options{}),
                                 TermHasher(1, {}), std::make_shared<Threads>(), system_clock(),
                                 options);
  }
  /// Of five events only the last is known: conditions from before them are judged by reading
  /// before the append is queued.
  void open_with_a_past() {
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    for (int i = 0; i < 5; ++i) fake_->append_elsewhere(event("Old"));
    auto tail = std::make_shared<Tail>(Tail::Options{});
    tail->reset(Position(5));
    const auto last = fake_->read_step({.after = Position(4)}).value().batch;
    tail->append(Position(6), {}, {}, mark_of(*last.begin()));
    log_ = std::make_shared<Log>(std::move(backend), std::move(tail), TermHasher(1, {}),
                                 std::make_shared<Threads>(), system_clock(), LogEngineOptions{});
  }
  std::future<Result<Appended>> later(AppendRequest request) {
    auto promise = std::make_shared<std::promise<Result<Appended>>>();
    auto future = promise->get_future();
    log_->append(std::move(request),
                 [promise](Result<Appended> appended) { promise->set_value(std::move(appended)); });
    return future;
  }
  /// The writer waits with one append; all that is appended until release() is one group.
  std::future<Result<Appended>> hold() {
    fake_->hold();
    auto first = later({.events = {event("First")}});
    fake_->wait_until_held();
    return first;
  }

  FakeBackend* fake_ = nullptr;
  std::shared_ptr<Log> log_;
};

TEST_F(EngineLog, commits_together_whoever_waits_while_another_commits) {
  open();
  auto first = hold();
  std::vector<std::future<Result<Appended>>> others;
  for (int i = 0; i < 50; ++i) others.push_back(later({.events = {event("A"), event("B")}}));
  fake_->release();
  ASSERT_TRUE(first.get());
  std::uint64_t next = 2;
  for (auto& other : others) {
    const auto appended = other.get();
    ASSERT_TRUE(appended);
    EXPECT_EQ(appended.value().first.value, next);
    EXPECT_EQ(appended.value().last.value, next + 1);
    next += 2;
  }
  EXPECT_EQ(fake_->commits(), 2u);
}

TEST_F(EngineLog, one_bad_or_cancelled_append_of_a_group_does_not_disturb_the_others) {
  open();
  auto first = hold();
  std::stop_source stop;
  auto good = later({.events = {event("Good", {"x"})}});
  auto cancelled = later({.events = {event("Cancelled")}, .call = {.stop = stop.get_token()}});
  auto late = later({.events = {event("Late")}, .call = {.deadline = system_clock().instant()}});
  auto refused = later({.events = {event("Refused")},
                        .condition = Condition{.fail_if_events_match = Query{}.tagged("x")}});
  auto good_too = later({.events = {event("GoodToo")},
                         .condition = Condition{.fail_if_events_match = Query{}.tagged("y")}});
  stop.request_stop();
  fake_->release();
  ASSERT_TRUE(first.get());
  EXPECT_EQ(good.get().value().first.value, 2u);
  EXPECT_EQ(cancelled.get().error().code, Code::cancelled);
  EXPECT_EQ(late.get().error().code, Code::deadline_exceeded);
  const auto conflict = refused.get();
  EXPECT_EQ(conflict.error().code, Code::aborted);
  EXPECT_EQ(conflict.error().details.at("position"), "2") << "an event of its own group";
  EXPECT_EQ(good_too.get().value().first.value, 3u);
  EXPECT_THAT(fake_->types(), ElementsAre("First", "Good", "GoodToo"));
}

TEST_F(EngineLog, a_commit_whose_outcome_is_unknown_is_learned_of_by_the_next) {
  open();
  ASSERT_TRUE(log_->append({.events = {event("A")}}));
  fake_->set_commits(FakeBackend::Commits::work_and_fail);
  const auto unknown = log_->append({.events = {event("B", {"b"})}, .idempotency_key = "k"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::unavailable);
  fake_->set_commits(FakeBackend::Commits::work);
  const auto conflict = log_->append(
      {.events = {event("C")},
       .condition = Condition{.fail_if_events_match = Query{}.tagged("b"), .after = Position(1)}});
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().details.at("position"), "2");
  const auto again = log_->append({.events = {event("B", {"b"})}, .idempotency_key = "k"});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again.value().replayed);
  EXPECT_EQ(again.value().first.value, 2u);
  EXPECT_THAT(fake_->types(), ElementsAre("A", "B"));
}

TEST_F(EngineLog, a_commit_that_failed_leaves_no_trace_in_later_conditions) {
  open();
  fake_->set_commits(FakeBackend::Commits::fail);
  ASSERT_FALSE(log_->append({.events = {event("A", {"x"})}}));
  fake_->set_commits(FakeBackend::Commits::work);
  const auto appended =
      log_->append({.events = {event("B")},
                    .condition = Condition{.fail_if_events_match = Query{}.tagged("x")}});
  ASSERT_TRUE(appended);
  EXPECT_EQ(appended.value().first.value, 1u);
}

TEST_F(EngineLog, judges_by_what_the_log_holds_after_it_was_put_back_and_written_to_elsewhere) {
  open();
  ASSERT_TRUE(log_->append({.events = {event("Base"), event("Base")}}));
  ASSERT_TRUE(log_->append({.events = {event("Lost", {"lost"}), event("Lost", {"lost"})}}));
  fake_->rewind(Position(2));
  fake_->append_elsewhere(event("New", {"new"}));
  fake_->append_elsewhere(event("New", {"new"}));
  fake_->append_elsewhere(event("Newer", {"newer"}));
  const auto when = [](const char* tag) {
    return Condition{.fail_if_events_match = Query{}.tagged(tag), .after = Position(2)};
  };
  const auto conflict = log_->append({.events = {event("A")}, .condition = when("new")});
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().details.at("position"), "3");
  EXPECT_FALSE(log_->append({.events = {event("A")}, .condition = when("newer")}));
  EXPECT_TRUE(log_->append({.events = {event("A")}, .condition = when("lost")}));
  EXPECT_THAT(fake_->types(), ElementsAre("Base", "Base", "New", "New", "Newer", "A"));
}

TEST_F(EngineLog, judges_by_what_the_log_holds_after_it_was_put_back_and_has_just_as_many_events) {
  open();
  ASSERT_TRUE(log_->append({.events = {event("Base"), event("Lost")}}));
  fake_->rewind(Position(1));
  fake_->append_elsewhere(event("New", {"new"}));
  EXPECT_FALSE(log_->append({.events = {event("A")},
                             .condition = Condition{.fail_if_events_match = Query{}.tagged("new"),
                                                    .after = Position(1)}}));
}

TEST_F(EngineLog, forgets_what_was_judged_beforehand_by_events_that_are_gone) {
  open_with_a_past();
  auto first = hold();
  auto refused = later(
      {.events = {event("B")},
       .condition = Condition{.fail_if_events_match = Query{}.tagged("new"), .after = Position()}});
  while (log_->committer().queue_depth() == 0) std::this_thread::yield();
  const auto fresh = event("New", {"new"});
  fake_->rewind(Position(2), {fresh, fresh, fresh});
  fake_->release();
  EXPECT_TRUE(first.get());
  const auto conflict = refused.get();
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().details.at("position"), "3");
}

// Past the last event that the writer knew, a log may be put back without a trace but its head.
TEST_F(EngineLog, forgets_what_was_judged_beforehand_of_a_log_that_ends_before_that) {
  open_with_a_past();
  for (int i = 0; i < 5; ++i) fake_->append_elsewhere(event("Old"));
  auto first = hold();
  auto refused = later(
      {.events = {event("B")},
       .condition = Condition{.fail_if_events_match = Query{}.tagged("new"), .after = Position()}});
  while (log_->committer().queue_depth() == 0) std::this_thread::yield();
  fake_->rewind(Position(6), {event("New", {"new"})});
  fake_->release();
  EXPECT_EQ(first.get().value().first, Position(8));
  const auto conflict = refused.get();
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().details.at("position"), "7");
}

TEST_F(EngineLog, a_group_stands_or_falls_with_its_keys) {
  open();
  auto first = hold();
  auto once = later({.events = {event("A")}, .idempotency_key = "k"});
  auto twice = later({.events = {event("A")}, .idempotency_key = "k"});
  auto other = later({.events = {event("B")}, .idempotency_key = "k"});
  fake_->release();
  ASSERT_TRUE(first.get());
  const auto appended = once.get();
  ASSERT_TRUE(appended);
  EXPECT_FALSE(appended.value().replayed);
  const auto replayed = twice.get();
  ASSERT_TRUE(replayed);
  EXPECT_TRUE(replayed.value().replayed);
  EXPECT_EQ(replayed.value().first, appended.value().first);
  EXPECT_EQ(other.get().error().code, Code::already_exists);
  EXPECT_THAT(fake_->types(), ElementsAre("First", "A"));
}

TEST_F(EngineLog, a_full_queue_refuses_with_a_delay_and_takes_appends_again_later) {
  LogEngineOptions options;
  options.committer.queue_max = 3;
  open(options);
  auto first = hold();
  std::vector<std::future<Result<Appended>>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(later({.events = {event("A")}}));
  const auto refused = later({.events = {event("B")}}).get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_TRUE(refused.error().retry_after);
  EXPECT_THAT(refused.error().message, HasSubstr("the limit is 3"));
  fake_->release();
  for (auto& append : waiting) EXPECT_TRUE(append.get());
  EXPECT_TRUE(log_->append({.events = {event("C")}}));
}

TEST_F(EngineLog, when_it_shuts_down_what_was_accepted_is_answered_and_the_rest_refused) {
  open();
  auto first = hold();
  auto accepted = later({.events = {event("A")}});
  auto down = std::async(std::launch::async, [&] { log_->shut_down(); });
  // It waits for what was accepted; from some moment on nothing more is.
  std::vector<std::future<Result<Appended>>> more;
  while (true) {
    more.push_back(later({.events = {event("B")}}));
    if (more.back().wait_for(0ms) == std::future_status::ready) break;
    std::this_thread::yield();
  }
  EXPECT_EQ(more.back().get().error().reason, Reason::shutting_down);
  more.pop_back();
  fake_->release();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(accepted.get());
  for (auto& append : more) EXPECT_TRUE(append.get());
  down.get();
}

TEST_F(EngineLog, a_subscriber_sees_what_came_while_the_store_could_not_be_read) {
  open();
  auto subscription = log_->subscribe({});
  ASSERT_TRUE(subscription);
  ASSERT_TRUE(log_->append({.events = {event("A")}}));
  Position seen;
  while (seen < Position(1)) {
    const auto step = (*subscription)->next();
    ASSERT_TRUE(step);
    seen = step.value().cursor;
  }
  // In the ring from here on. The announcement comes while the store is down.
  std::promise<void> woken;
  auto polled = (*subscription)->poll([&] { woken.set_value(); });
  while (polled && *polled) polled = (*subscription)->poll([&] { woken.set_value(); });
  ASSERT_TRUE(polled);
  fake_->set_down(true);
  fake_->append_elsewhere(event("B"));
  std::this_thread::sleep_for(50ms);
  fake_->set_down(false);
  ASSERT_EQ(woken.get_future().wait_for(10s), std::future_status::ready)
      << "nobody looked again after the failed read";
  // It may have been woken by the first event, in the ring a moment after it was polled.
  while (true) {
    std::promise<void> again;
    polled = (*subscription)->poll([&] { again.set_value(); });
    ASSERT_TRUE(polled);
    if (*polled && !(*polled)->batch.empty()) break;
    if (*polled) continue;
    ASSERT_EQ(again.get_future().wait_for(10s), std::future_status::ready)
        << "nobody looked again after the failed read";
  }
  ASSERT_EQ((*polled)->batch.size(), 1u);
  EXPECT_EQ((*polled)->batch.begin()->type(), "B");
}

TEST_F(EngineLog, a_slow_subscriber_falls_back_to_the_store_and_misses_nothing) {
  LogEngineOptions options;
  options.live.ring_bytes_max = 2'000;
  open(options);
  auto slow = log_->subscribe({});
  auto fast = log_->subscribe({});
  std::uint64_t seen = 0;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(log_->append({.events = {event("T" + std::to_string(i))}}));
    while ((*fast)->cursor() < Position(static_cast<std::uint64_t>(i) + 1)) {
      ASSERT_TRUE((*fast)->next());
    }
  }
  while (seen < 200) {
    const auto step = (*slow)->next();
    ASSERT_TRUE(step);
    for (const auto& got : step.value().batch) ASSERT_EQ(got.position().value, ++seen);
  }
}

/// Appends as a thread does that may block and commits at the end of what it does.
// A read on another connection may wait for a lock that waits for the writer's own transaction.
TEST_F(EngineLog, conditions_are_judged_within_the_transaction_by_the_writer_itself) {
  open();
  ASSERT_TRUE(log_->append({.events = {event("A", {"x"})}}));
  const auto before = fake_->calls();
  EXPECT_FALSE(log_->append({.events = {event("B")},
                             .condition = Condition{.fail_if_events_match = Query{}.tagged("x")}}));
  EXPECT_EQ(fake_->calls(), before + 1) << "something else was asked than the transaction";
}

class EngineLogRewound : public EngineLog {
 protected:
  void TearDown() override { fake_->reads_of_all(); }
  std::unique_ptr<Subscription> subscribe(Position after) {
    return log_->subscribe({.after = after}).value();
  }
  /// Until the subscription is at `position`.
  static std::vector<std::string> types_up_to(Subscription& subscription, Position position) {
    std::vector<std::string> types;
    while (subscription.cursor() < position) {
      const auto step = subscription.next();
      if (!step) {
        types.push_back(to_string(step.error()));
        return types;
      }
      for (const auto& event : step->batch) types.emplace_back(event.type());
    }
    return types;
  }
  /// Until it ends.
  static Error end_of(Subscription& subscription) {
    for (int i = 0; i < 30; ++i) {
      const auto step = subscription.next(1s);
      if (!step) return step.error();
    }
    return {};
  }
};

TEST_F(EngineLogRewound, subscriptions_that_were_told_end_and_new_ones_get_what_is_there) {
  open();
  ASSERT_TRUE(log_->append({.events = {event("Base")}}));
  const auto told = subscribe(Position());
  ASSERT_THAT(types_up_to(*told, Position(1)), ElementsAre("Base"));
  ASSERT_TRUE(log_->append({.events = {event("Lost"), event("Lost")}}));
  ASSERT_THAT(types_up_to(*told, Position(3)), ElementsAre("Lost", "Lost"));
  fake_->rewind(Position(1));
  // It comes before anybody says that something has changed, and still is right.
  const auto fresh = subscribe(Position());
  ASSERT_THAT(types_up_to(*fresh, Position(1)), ElementsAre("Base"));
  fake_->append_elsewhere(event("New"));
  EXPECT_THAT(types_up_to(*fresh, Position(2)), ElementsAre("New"));
  const auto error = end_of(*told);
  EXPECT_EQ(error.code, Code::data_loss);
  EXPECT_EQ(error.reason, Reason::log_rewound);
  EXPECT_EQ(error.details.at("head"), "1");
}

TEST_F(EngineLogRewound, is_noticed_though_others_have_written_past_the_old_end) {
  open();
  const auto told = subscribe(Position());
  ASSERT_TRUE(log_->append({.events = {event("Base"), event("Lost")}}));
  ASSERT_THAT(types_up_to(*told, Position(2)), ElementsAre("Base", "Lost"));
  // In the ring now, and waiting there.
  std::promise<void> woken;
  auto polled = told->poll([&] { woken.set_value(); });
  while (polled && *polled) polled = told->poll([&] { woken.set_value(); });
  ASSERT_TRUE(polled);
  fake_->rewind(Position(1), {event("New"), event("New"), event("New")});
  fake_->append_elsewhere(event("New"));
  woken.get_future().wait();
  EXPECT_EQ(end_of(*told).reason, Reason::log_rewound);
  const auto fresh = subscribe(Position());
  EXPECT_THAT(types_up_to(*fresh, Position(5)), ElementsAre("Base", "New", "New", "New", "New"));
}

TEST_F(EngineLogRewound, is_noticed_of_events_that_only_a_subscription_had_read) {
  open();
  fake_->only_reads_of_this_thread();
  const auto told = subscribe(Position());
  ASSERT_TRUE(log_->append({.events = {event("Base"), event("Lost")}}));
  ASSERT_THAT(types_up_to(*told, Position(2)), ElementsAre("Base", "Lost"));
  fake_->rewind(Position(1), {event("New"), event("New"), event("New")});
  fake_->reads_of_all();
  EXPECT_EQ(end_of(*told).reason, Reason::log_rewound);
}

TEST_F(EngineLogRewound, is_noticed_of_what_subscriptions_read_past_the_rings_end) {
  open();
  const auto first = subscribe(Position());
  ASSERT_TRUE(log_->append({.events = {event("Base")}}));
  ASSERT_THAT(types_up_to(*first, Position(1)), ElementsAre("Base"));
  // In the ring now.
  auto polled = first->poll([] {});
  while (polled && *polled) polled = first->poll([] {});
  ASSERT_TRUE(polled);
  fake_->only_reads_of_this_thread();
  ASSERT_TRUE(log_->append({.events = {event("Kept"), event("Lost"), event("Lost")}}));
  const auto second = subscribe(Position());
  ASSERT_THAT(types_up_to(*second, Position(4)), ElementsAre("Base", "Kept", "Lost", "Lost"));
  fake_->append_elsewhere(event("Lost"));
  const auto third = subscribe(Position(4));
  ASSERT_THAT(types_up_to(*third, Position(5)), ElementsAre("Lost"));
  fake_->rewind(Position(2), {event("New"), event("New"), event("New"), event("New")});
  fake_->reads_of_all();
  EXPECT_EQ(end_of(*second).reason, Reason::log_rewound);
  EXPECT_EQ(end_of(*third).reason, Reason::log_rewound);
}

class EngineLogHere : public EngineLog {
 protected:
  EngineLogHere() { open({.committer = {.callbacks_never_block = true}}); }

  /// On which thread each was answered.
  std::vector<std::future<std::thread::id>> append_here(std::size_t appends, bool alone = true) {
    std::vector<std::future<std::thread::id>> answered;
    const MayBlock::Allowed allowed(alone);
    for (std::size_t i = 0; i < appends; ++i) {
      auto thread = std::make_shared<std::promise<std::thread::id>>();
      answered.push_back(thread->get_future());
      log_->append({.events = {event("A")}}, [thread](const Result<Appended>& appended) {
        EXPECT_TRUE(appended);
        thread->set_value(std::this_thread::get_id());
      });
    }
    return answered;
  }

  MayBlock here_;
};

TEST_F(EngineLogHere, commits_a_few_appends_together_on_the_thread_that_brought_them) {
  // The writing thread takes them when it happens to be awake, as it is at first.
  for (int round = 0; round < 1000; ++round) {
    const auto before = fake_->commits();
    auto answered = append_here(3);
    here_.run();
    std::size_t here = 0;
    for (auto& thread : answered) here += thread.get() == std::this_thread::get_id() ? 1 : 0;
    if (here < answered.size()) continue;
    EXPECT_EQ(fake_->commits(), before + 1);
    return;
  }
  FAIL() << "the writing thread has committed all of them";
}

TEST_F(EngineLogHere, leaves_them_to_the_writing_thread_when_others_wait_too) {
  for (auto& thread : append_here(3, false)) EXPECT_NE(thread.get(), std::this_thread::get_id());
  EXPECT_TRUE(here_.empty());
}

TEST_F(EngineLogHere, leaves_most_of_many_to_the_writing_thread) {
  auto answered = append_here(100);
  here_.run();
  std::size_t here = 0;
  for (auto& thread : answered) here += thread.get() == std::this_thread::get_id() ? 1 : 0;
  EXPECT_LE(here, 8u);
  EXPECT_EQ(fake_->types().size(), 100u);
}

TEST_F(EngineLogHere, leaves_them_to_the_writing_thread_after_a_commit_that_took_long) {
  fake_->hold();
  auto first = later({.events = {event("First")}});
  fake_->wait_until_held();
  std::this_thread::sleep_for(5ms);
  fake_->release();
  ASSERT_TRUE(first.get());
  auto answered = append_here(1);
  EXPECT_TRUE(here_.empty());
  EXPECT_NE(answered.front().get(), std::this_thread::get_id());
}

TEST_F(EngineLogHere, has_committed_by_its_end_what_was_put_off) {
  auto answered = append_here(2);
  log_.reset();
  for (auto& thread : answered) EXPECT_NE(thread.get(), std::this_thread::get_id());
  here_.run();  // finds nothing
}

}  // namespace
}  // namespace weir::engine
