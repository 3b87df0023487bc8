#include <gtest/gtest.h>

#include <future>

#include <weir/server/held_store_for_tests.hpp>
#include <weir/server/served_for_tests.hpp>
#include <weir/store/testing/memory_store.hpp>

#include <tests/support/one_log_catalog.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;

/// A client of a server that takes calls and does not answer them.
class Unanswered : public ::testing::Test {
 protected:
  Unanswered() {
    EXPECT_TRUE(log_->head({}));  // the session stands
    held_->hold();
  }
  ~Unanswered() override { held_->release(); }

  static CallOptions within(std::chrono::milliseconds time) {
    return {.deadline = system_clock().instant() + time};
  }
  static AppendRequest one(CallOptions call) {
    return {.events = {{.type = "T", .data = "{}"}}, .call = std::move(call)};
  }

  testing::MemoryStore memory_{"default"};
  const std::shared_ptr<HeldStore> held_ = std::make_shared<HeldStore>(memory_);
  std::shared_ptr<Catalog> catalog_ =
      served(std::make_unique<int>(), Result<std::shared_ptr<testing_support::OneLogCatalog>>(
                                          std::make_shared<testing_support::OneLogCatalog>(held_)));
  std::shared_ptr<EventStore> log_ = catalog_->open("default", {}).value();
};

TEST_F(Unanswered, calls_end_at_their_deadlines) {
  const auto began = system_clock().instant();
  EXPECT_EQ(log_->append(one(within(50ms))).error().reason, Reason::deadline_passed);
  EXPECT_EQ(log_->head(within(50ms)).error().reason, Reason::deadline_passed);
  EXPECT_GE(system_clock().instant() - began, 100ms);
  EXPECT_LT(system_clock().instant() - began, 10s);
}

TEST_F(Unanswered, calls_end_each_at_its_own_deadline_in_whatever_order_they_begin) {
  std::vector<std::promise<Result<Position>>> answers(3);
  const auto ask = [&](std::size_t number, CallOptions call) {
    log_->head(std::move(call), [&answers, number](const Result<Position>& answer) {
      answers[number].set_value(answer);
    });
    return answers[number].get_future();
  };
  auto later = ask(0, within(1h)), soon = ask(1, within(400ms)), sooner = ask(2, within(50ms));
  EXPECT_EQ(sooner.get().error().code, Code::deadline_exceeded);
  EXPECT_EQ(soon.wait_for(0s), std::future_status::timeout);
  EXPECT_EQ(soon.get().error().code, Code::deadline_exceeded);
  held_->release();
  EXPECT_EQ(later.get().value(), Position());
}

TEST_F(Unanswered, calls_end_soon_after_they_are_stopped) {
  std::stop_source stop;
  auto call = within(1h);
  call.stop = stop.get_token();
  auto appended = std::async(std::launch::async, [&] { return log_->append(one(call)); });
  EXPECT_EQ(appended.wait_for(50ms), std::future_status::timeout);
  stop.request_stop();
  EXPECT_EQ(appended.get().error().code, Code::cancelled);
}

TEST_F(Unanswered, a_session_goes_on_after_some_of_its_calls_were_given_up) {
  EXPECT_EQ(log_->head(within(20ms)).error().code, Code::deadline_exceeded);
  held_->release();
  EXPECT_EQ(log_->head(within(10s)).value(), Position());
}

TEST_F(Unanswered, calls_end_when_their_client_goes_before_their_deadline) {
  std::promise<Code> answer;
  log_->head(within(1h),
             [&](const Result<Position>& head) { answer.set_value(head.error().code); });
  log_.reset();
  // The server, which goes next, waits for what it has taken.
  auto gone = std::async(std::launch::async,
                         [catalog = std::move(catalog_)]() mutable { catalog.reset(); });
  EXPECT_EQ(answer.get_future().get(), Code::unavailable);
  held_->release();
  gone.get();
}

}  // namespace
}  // namespace weir::server
