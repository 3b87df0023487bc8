#include <gmock/gmock.h>

#include <weir/store/engine/log.hpp>

#include <tests/support/fake_backend.hpp>

namespace weir::engine {
namespace {

using testing::ElementsAre;
using testing_support::FakeBackend;

/// A log of whose first five events the tail knows nothing, so that conditions from before them are
/// judged by reading.
class EngineLook : public testing::Test {
 protected:
  EngineLook() {
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    for (int i = 0; i < 5; ++i) fake_->append_elsewhere({.type = "Old", .data = "{}"});
    auto tail = std::make_shared<Tail>(Tail::Options{});
    tail->reset(Position(5));
    log_ = std::make_shared<Log>(std::move(backend), std::move(tail), TermHasher(1, {}),
                                 std::make_shared<Threads>(), system_clock(), LogEngineOptions{});
  }
  /// Of an event with the tag "x", unless there is one.
  Result<Appended> append_once(const std::string& key) {
    return log_->append({.events = {{.type = "New", .tags = {"x"}, .data = "{}"}},
                         .condition = Condition{.fail_if_events_match = Query{}.tagged("x")},
                         .idempotency_key = key});
  }

  FakeBackend* fake_ = nullptr;
  std::shared_ptr<Log> log_;
};

// Everybody else's appends would wait for a read within the transaction.
TEST_F(EngineLook, is_before_the_transaction_also_with_an_idempotency_key) {
  fake_->lose_next_transactions(1);  // by such a read
  EXPECT_TRUE(append_once("k"));
  fake_->lose_next_transactions(0);
  EXPECT_THAT(fake_->types(), ElementsAre("Old", "Old", "Old", "Old", "Old", "New"));
}

TEST_F(EngineLook, refuses_no_repeated_key_though_the_condition_fails_by_now) {
  const auto first = append_once("k");
  ASSERT_TRUE(first) << to_string(first.error());
  const auto again = append_once("k");
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->first, first->first);
  const auto refused = append_once("other");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::aborted);
  EXPECT_EQ(refused.error().details.at("position"), "6");
}

}  // namespace
}  // namespace weir::engine
