#include <gmock/gmock.h>

#include <algorithm>
#include <future>

#include <tests/support/fake_backend.hpp>
#include <weir/resilience/testing/recorder.hpp>
#include <weir/store/resilient/shield.hpp>

namespace weir::resilient {
namespace {

using resilience::Recorder;
using ::testing::ElementsAre;
using testing_support::FakeBackend;
using namespace std::chrono_literals;
using Commits = FakeBackend::Commits;

/// A log over a backend that fails as told, behind a shield that waits milliseconds.
class ShieldedAppend : public ::testing::Test {
 protected:
  static ShieldOptions patient() {
    ShieldOptions options;
    options.write.retry = {
        .attempts_max = 1000, .delay = 5ms, .delay_max = 5ms, .jitter = resilience::Jitter::none};
    options.write.circuit_breaker.calls_min = 100'000;
    options.read = options.write;
    return options;
  }
  void open(ShieldOptions options = patient()) {
    options.listener = recorder_;
    shield_ = Shield::create(std::move(options)).value();
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    engine::LogEngineOptions engine;
    engine.around = [this](std::unique_ptr<engine::Backend> bare) {
      return shield_->around(std::move(bare));
    };
    log_ = std::make_shared<engine::Log>(
        std::move(backend), std::make_shared<engine::Tail>(engine::Tail::Options{}),
        engine::TermHasher(1, {}), std::make_shared<engine::Threads>(), system_clock(), engine);
  }
  static AppendRequest lent(const std::string& type = "Lent", std::vector<std::string> tags = {}) {
    return {.events = {{.type = type, .tags = std::move(tags), .data = "{}"}}};
  }
  std::future<Result<Appended>> later(AppendRequest request) {
    auto promise = std::make_shared<std::promise<Result<Appended>>>();
    auto future = promise->get_future();
    log_->append(std::move(request),
                 [promise](Result<Appended> appended) { promise->set_value(std::move(appended)); });
    return future;
  }
  void wait_for_calls(std::size_t calls) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (fake_->calls() < calls && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(1ms);
    }
    ASSERT_GE(fake_->calls(), calls);
  }

  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
  std::shared_ptr<Shield> shield_;
  FakeBackend* fake_ = nullptr;
  std::shared_ptr<engine::Log> log_;
};

TEST_F(ShieldedAppend, waits_for_the_database_and_is_recorded_once) {
  open();
  fake_->set_down(true);
  auto async = later(lent("A"));
  auto blocking = std::async(std::launch::async, [this] { return log_->append(lent("B")); });
  wait_for_calls(5);
  EXPECT_EQ(async.wait_for(0s), std::future_status::timeout);
  fake_->set_down(false);
  ASSERT_TRUE(async.get());
  ASSERT_TRUE(blocking.get());
  EXPECT_THAT(fake_->types(), ::testing::UnorderedElementsAre("A", "B"));
  EXPECT_GE(recorder_->heard().size(), 4u);
  EXPECT_EQ(recorder_->heard().front().operation, "append");
}

TEST_F(ShieldedAppend, is_repeated_when_its_commit_left_no_trace) {
  open();
  fake_->set_commits(Commits::fail_without_a_trace);
  auto appended = later(lent());
  wait_for_calls(3);
  fake_->set_commits(Commits::work);
  ASSERT_TRUE(appended.get());
  EXPECT_THAT(fake_->types(), ElementsAre("Lent"));
}

TEST_F(ShieldedAppend, is_repeated_when_the_transaction_ends_as_its_condition_is_read_for) {
  open();
  ASSERT_TRUE(log_->append(lent("A", {"x"})));
  auto conditional = lent("B");
  conditional.condition = Condition{.fail_if_events_match = Query{}.tagged("x")};
  fake_->lose_next_transactions(2);
  const auto before = fake_->calls();
  const auto refused = log_->append(conditional);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::condition_failed) << to_string(refused.error());
  EXPECT_EQ(fake_->calls(), before + 3);
  EXPECT_THAT(fake_->types(), ElementsAre("A"));
}

TEST_F(ShieldedAppend, is_never_repeated_when_its_commit_may_have_been_recorded) {
  open();
  for (const auto commits : {Commits::work_and_fail, Commits::fail}) {
    fake_->set_commits(commits);
    const auto before = fake_->calls();
    const auto appended = log_->append(lent());
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, Code::unavailable);
    EXPECT_FALSE(engine::is_nothing_recorded(appended.error()));
    EXPECT_EQ(fake_->calls(), before + 1);
  }
  EXPECT_THAT(fake_->types(), ElementsAre("Lent"));
}

TEST_F(ShieldedAppend, ends_with_its_own_deadline_while_others_wait_on) {
  auto options = patient();
  options.write.retry.delay = options.write.retry.delay_max = 20s;
  open(options);
  fake_->set_down(true);
  auto patient_one = later(lent("Patient"));
  wait_for_calls(1);
  // The writer waits for 20 s now; whoever comes later must not.
  auto request = lent("Hasty");
  request.call.deadline = system_clock().instant() + 50ms;
  auto hasty = later(std::move(request));
  ASSERT_EQ(hasty.wait_for(5s), std::future_status::ready);
  const auto ended = hasty.get();
  EXPECT_EQ(ended.error().code, Code::deadline_exceeded);
  EXPECT_TRUE(engine::is_nothing_recorded(ended.error()));
  EXPECT_EQ(patient_one.wait_for(0s), std::future_status::timeout);
  fake_->set_down(false);
  log_->shut_down();  // tries once more, at once
  EXPECT_TRUE(patient_one.get());
  EXPECT_THAT(fake_->types(), ElementsAre("Patient"));
}

TEST_F(ShieldedAppend, behind_a_transaction_that_hangs_ends_with_its_own_deadline) {
  open();
  fake_->hold();
  auto hanging = later(lent("Hanging"));
  fake_->wait_until_held();
  auto request = lent("Hasty");
  request.call.deadline = system_clock().instant() + 50ms;
  auto hasty = later(std::move(request));
  ASSERT_EQ(hasty.wait_for(5s), std::future_status::ready) << "it waits for what hangs";
  EXPECT_EQ(hasty.get().error().code, Code::deadline_exceeded);
  fake_->release();
  EXPECT_TRUE(hanging.get());
  EXPECT_THAT(fake_->types(), ElementsAre("Hanging"));
}

TEST_F(ShieldedAppend, ends_when_its_caller_gives_up) {
  auto options = patient();
  options.write.retry.delay = options.write.retry.delay_max = 20s;
  open(options);
  fake_->set_down(true);
  std::stop_source stop;
  auto request = lent();
  request.call.stop = stop.get_token();
  auto appended = later(std::move(request));
  wait_for_calls(1);
  stop.request_stop();
  ASSERT_EQ(appended.wait_for(5s), std::future_status::ready) << "its retry went on without it";
  EXPECT_EQ(appended.get().error().code, Code::cancelled);
  fake_->set_down(false);
  EXPECT_TRUE(log_->append(lent("Next")));
  EXPECT_THAT(fake_->types(), ElementsAre("Next"));
}

TEST_F(ShieldedAppend, fails_with_advice_when_its_attempts_are_used_up) {
  auto options = patient();
  options.write.retry.attempts_max = 3;
  open(options);
  fake_->set_down(true);
  const auto failed = log_->append(lent());
  ASSERT_FALSE(failed);
  EXPECT_EQ(fake_->calls(), 3u);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_EQ(failed.error().retry_after, 5ms);
  EXPECT_TRUE(engine::is_nothing_recorded(failed.error()));
}

TEST_F(ShieldedAppend, all_that_wait_fail_at_once_when_the_circuit_opens) {
  auto options = patient();
  options.write.circuit_breaker.calls_min = 3;
  options.write.circuit_breaker.open_for = 1h;
  open(options);
  fake_->set_down(true);
  std::vector<std::future<Result<Appended>>> waiting;
  for (int i = 0; i < 100; ++i) waiting.push_back(later(lent()));
  for (auto& one : waiting) {
    ASSERT_EQ(one.wait_for(5s), std::future_status::ready);
    const auto outcome = one.get();
    EXPECT_EQ(outcome.error().reason, Reason::circuit_open) << to_string(outcome.error());
    EXPECT_GT(outcome.error().retry_after.value(), 50min);
    EXPECT_TRUE(engine::is_nothing_recorded(outcome.error()));
  }
  EXPECT_EQ(fake_->calls(), 3u);
}

TEST_F(ShieldedAppend, is_refused_within_a_millisecond_while_the_circuit_is_open) {
  auto options = patient();
  options.write.retry.attempts_max = options.read.retry.attempts_max = 1;
  options.write.circuit_breaker.calls_min = options.read.circuit_breaker.calls_min = 1;
  options.write.circuit_breaker.open_for = options.read.circuit_breaker.open_for = 1h;
  open(options);
  fake_->set_down(true);
  ASSERT_FALSE(log_->append(lent()));
  ASSERT_FALSE(log_->head({}));
  std::vector<Instant::duration> appends, heads;
  for (int i = 0; i < 1000; ++i) {
    const auto began = system_clock().instant();
    EXPECT_EQ(log_->append(lent()).error().reason, Reason::circuit_open);
    const auto between = system_clock().instant();
    EXPECT_EQ(log_->head({}).error().reason, Reason::circuit_open);
    appends.push_back(between - began);
    heads.push_back(system_clock().instant() - between);
  }
  for (auto* took : {&appends, &heads}) {
    std::sort(took->begin(), took->end());
    // Not the slowest: the machine may have been doing something else.
    EXPECT_LT((*took)[900], 1ms);
  }
  EXPECT_EQ(fake_->calls(), 2u);
}

TEST_F(ShieldedAppend, is_not_refused_for_what_another_one_did_not_record) {
  open();
  fake_->hold();
  auto first = later(lent("First"));
  fake_->wait_until_held();
  // In one group: the second conflicts with the first only if that is recorded.
  auto request = lent("Second", {"book:1"});
  auto guarded = lent("Third");
  guarded.condition = Condition{.fail_if_events_match = Query{}.tagged("book:1")};
  auto second = later(std::move(request));
  auto third = later(std::move(guarded));
  fake_->fail_next_commits(Commits::fail, 2);
  fake_->release();
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(second.get());
  const auto appended = third.get();
  ASSERT_TRUE(appended) << to_string(appended.error());
  EXPECT_THAT(fake_->types(), ElementsAre("Third"));
}

TEST_F(ShieldedAppend, in_the_queue_is_answered_when_the_log_is_shut_down) {
  auto options = patient();
  options.write.retry.delay = options.write.retry.delay_max = 20s;
  open(options);
  fake_->set_down(true);
  auto appended = later(lent());
  wait_for_calls(1);
  log_->shut_down();
  ASSERT_EQ(appended.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(appended.get().error().code, Code::unavailable);
}

TEST_F(ShieldedAppend, keeps_its_order_and_its_key_when_it_is_tried_again) {
  open();
  fake_->set_down(true);
  std::vector<std::future<Result<Appended>>> all;
  for (int i = 0; i < 20; ++i) {
    auto request = lent("T" + std::to_string(i));
    request.idempotency_key = "key " + std::to_string(i / 2);
    request.events.front().type = "T" + std::to_string(i / 2);
    all.push_back(later(std::move(request)));
  }
  wait_for_calls(3);
  fake_->set_down(false);
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) {
    const auto appended = all[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(appended) << to_string(appended.error());
    EXPECT_EQ(appended->replayed, i % 2 == 1);
    EXPECT_EQ(appended->first.value, static_cast<std::uint64_t>(i / 2 + 1));
    if (i % 2 == 0) expected.push_back("T" + std::to_string(i / 2));
  }
  EXPECT_EQ(fake_->types(), expected);
}

TEST_F(ShieldedAppend, subscription_waits_for_the_database_and_misses_nothing) {
  auto options = patient();
  options.read.retry.attempts_max = 1;
  open(options);
  ASSERT_TRUE(log_->append(lent("Before")));
  fake_->set_down(true);
  auto subscription = log_->subscribe({});
  ASSERT_TRUE(subscription);
  auto step = std::async(std::launch::async, [&] { return (*subscription)->next(); });
  EXPECT_EQ(step.wait_for(100ms), std::future_status::timeout) << "it ended with the database";
  fake_->set_down(false);
  ASSERT_EQ(step.wait_for(10s), std::future_status::ready);
  const auto got = step.get();
  ASSERT_TRUE(got) << to_string(got.error());
  ASSERT_EQ(got->batch.size(), 1u);
  EXPECT_EQ(got->batch.begin()->type(), "Before");
}

TEST_F(ShieldedAppend, subscription_that_waits_for_the_database_ends_when_its_caller_gives_up) {
  auto options = patient();
  options.read.retry.attempts_max = 1;
  open(options);
  fake_->set_down(true);
  std::stop_source stop;
  auto stopped = log_->subscribe({.call = {.stop = stop.get_token()}});
  auto shut_down = log_->subscribe({});
  ASSERT_TRUE(stopped && shut_down);
  auto one = std::async(std::launch::async, [&] { return (*stopped)->next(); });
  auto other = std::async(std::launch::async, [&] { return (*shut_down)->next(); });
  wait_for_calls(4);
  stop.request_stop();
  ASSERT_EQ(one.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(one.get().error().code, Code::cancelled);
  log_->shut_down();
  ASSERT_EQ(other.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(other.get().error().reason, Reason::shutting_down);
}

}  // namespace
}  // namespace weir::resilient
