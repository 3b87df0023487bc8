#include <weir/store/resilient/shield.hpp>

#include <gmock/gmock.h>

#include <algorithm>

#include <tests/support/fake_backend.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/recorder.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::resilient {
namespace {

using resilience::FakeTime;
using resilience::Recorder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing_support::FakeBackend;
using namespace std::chrono_literals;
using State = resilience::CircuitBreaker::State;

/// A backend behind a shield, at a time that stands still.
class Shielded : public ::testing::Test {
 protected:
  void put_up(ShieldOptions options = {}) {
    options.clock = &time_;
    options.timers = &time_;
    options.seed = 1;
    options.listener = recorder_;
    shield_ = Shield::create(std::move(options)).value();
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    backend_ = shield_->around(std::move(backend));
  }
  /// Calls of the backend that one head() makes.
  std::size_t calls_of_head(const CallOptions& call = {}) {
    const auto before = fake_->calls();
    last_ = backend_->head(call);
    return fake_->calls() - before;
  }
  State state_of_reads() const { return shield_->circuits().at(0).circuit.state; }
  State state_of_writes() const { return shield_->circuits().at(1).circuit.state; }
  Result<void> write() {
    auto writer = backend_->open_writer().value();
    const auto begun = writer->begin({});
    if (!begun) return begun.error();
    return writer->commit({});
  }

  FakeTime time_;
  std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
  std::shared_ptr<Shield> shield_;
  FakeBackend* fake_ = nullptr;
  std::unique_ptr<engine::Backend> backend_;
  Result<Position> last_ = Position();
};

TEST_F(Shielded, read_is_tried_three_times_within_a_second_and_two) {
  put_up();
  fake_->set_down(true);
  EXPECT_EQ(calls_of_head(), 3u);
  EXPECT_EQ(last_.error().code, Code::unavailable);
  EXPECT_EQ(last_.error().message, "the fake is down");
  EXPECT_EQ(last_.error().retry_after, 1s);
  ASSERT_THAT(time_.waits(), SizeIs(2));
  EXPECT_LE(time_.waits()[0], 1s);
  EXPECT_LE(time_.waits()[1], 2s);
  EXPECT_GT(time_.waits()[0] + time_.waits()[1], 0s) << "without jitter they would be equal";
  EXPECT_EQ(recorder_->in_words(), "retried retried");
}

TEST_F(Shielded, read_that_succeeds_meanwhile_shows_no_error) {
  put_up();
  fake_->set_down(true);
  class Mending final : public resilience::Listener {
   public:
    explicit Mending(FakeBackend& fake) : fake_(fake) {}
    void on_event(const resilience::Event& event) noexcept override {
      if (event.kind == resilience::EventKind::retried) fake_.set_down(false);
    }

   private:
    FakeBackend& fake_;
  };
  auto options = ShieldOptions();
  options.listener = std::make_shared<Mending>(*fake_);
  ASSERT_TRUE(shield_->reload(std::move(options)));
  EXPECT_EQ(calls_of_head(), 2u);
  EXPECT_TRUE(last_);
}

TEST_F(Shielded, circuit_opens_for_a_minute_and_closes_after_two_successes) {
  auto options = ShieldOptions();
  options.read.retry.attempts_max = 1;
  put_up(options);
  fake_->set_down(true);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(calls_of_head(), 1u);
  EXPECT_EQ(state_of_reads(), State::open);

  EXPECT_EQ(calls_of_head(), 0u);
  EXPECT_EQ(last_.error().reason, Reason::circuit_open);
  EXPECT_EQ(last_.error().code, Code::unavailable);
  EXPECT_EQ(last_.error().retry_after, 60s);
  time_.advance(59s);
  EXPECT_EQ(calls_of_head(), 0u);
  EXPECT_EQ(last_.error().retry_after, 1s) << "it is not waited for, however near the end is";

  time_.advance(1s);
  EXPECT_EQ(calls_of_head(), 1u) << "a probe, which fails";
  EXPECT_EQ(state_of_reads(), State::open);
  time_.advance(60s);
  fake_->set_down(false);
  EXPECT_EQ(calls_of_head(), 1u);
  EXPECT_EQ(state_of_reads(), State::half_open);
  EXPECT_EQ(calls_of_head(), 1u);
  EXPECT_EQ(state_of_reads(), State::closed);
}

TEST_F(Shielded, circuit_that_opens_ends_the_retries) {
  put_up();
  fake_->set_down(true);
  EXPECT_EQ(calls_of_head(), 3u);
  EXPECT_EQ(calls_of_head(), 2u);
  EXPECT_EQ(state_of_reads(), State::open);
  EXPECT_EQ(last_.error().reason, Reason::circuit_open);
}

TEST_F(Shielded, writes_have_a_circuit_of_their_own) {
  put_up();
  fake_->set_commits(FakeBackend::Commits::fail);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(write());
  EXPECT_EQ(state_of_writes(), State::open);
  EXPECT_EQ(state_of_reads(), State::closed);
  const auto before = fake_->calls();
  const auto refused = write();
  EXPECT_EQ(fake_->calls(), before);
  EXPECT_EQ(refused.error().reason, Reason::circuit_open);
  EXPECT_EQ(refused.error().retry_after, 60s);
  EXPECT_THAT(refused.error().message, HasSubstr("whether it was written is unknown"))
      << "whoever is refused is told what failed";

  fake_->set_commits(FakeBackend::Commits::work);
  time_.advance(60s);
  EXPECT_TRUE(write());
  EXPECT_EQ(state_of_writes(), State::half_open);
  EXPECT_TRUE(write());
  EXPECT_EQ(state_of_writes(), State::closed);
  EXPECT_EQ(recorder_->in_words(), "opened rejected half_opened closed");
}

TEST_F(Shielded, transaction_that_is_rolled_back_counts_as_a_success) {
  put_up();
  auto writer = backend_->open_writer().value();
  ASSERT_TRUE(writer->begin({}));
  writer->rollback();
  EXPECT_EQ(shield_->circuits().at(1).circuit.counts.calls, 1u);
  EXPECT_EQ(shield_->circuits().at(1).circuit.counts.failures, 0u);
}

TEST_F(Shielded, no_attempt_begins_past_the_callers_deadline_or_after_a_stop) {
  auto options = ShieldOptions();
  options.read.retry.jitter = resilience::Jitter::none;
  put_up(options);
  fake_->set_down(true);
  EXPECT_EQ(calls_of_head({.deadline = time_.instant() + 999ms}), 1u);
  EXPECT_EQ(calls_of_head({.deadline = time_.instant() + 1001ms}), 2u);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(calls_of_head({.stop = stop.get_token()}), 0u);
  EXPECT_EQ(last_.error().code, Code::cancelled);
}

TEST_F(Shielded, operations_end_thirty_seconds_after_they_began) {
  auto options = ShieldOptions();
  options.read.retry.attempts_max = 1000;
  options.read.retry.jitter = resilience::Jitter::none;
  options.read.circuit_breaker.calls_min = 1000;
  put_up(options);
  fake_->set_down(true);
  const auto began = time_.instant();
  EXPECT_EQ(calls_of_head(), 5u);  // at 0, 1, 3, 7 and 15 s
  EXPECT_LE(time_.instant() - began, 30s);
}

TEST_F(Shielded, what_is_wrong_with_the_request_is_neither_repeated_nor_held_against_the_database) {
  const auto catalog =
      std::make_shared<weir::testing::MemoryCatalog>(weir::testing::MemoryOptions{.clock = &time_});
  put_up();
  const auto shielded = shield_->around(catalog);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(shielded->open("nowhere").error().code, Code::not_found);
  }
  EXPECT_THAT(time_.waits(), SizeIs(0));
  EXPECT_EQ(shield_->circuits().at(0).circuit.counts.failures, 0u);
}

TEST_F(Shielded, log_that_is_open_is_found_while_the_circuit_is_open) {
  put_up();
  const auto shielded = shield_->around(std::make_shared<weir::testing::MemoryCatalog>(
      weir::testing::MemoryOptions{.clock = &time_}));
  const auto log = shielded->open("default");
  ASSERT_TRUE(log);
  fake_->set_down(true);
  for (int i = 0; i < 2; ++i) calls_of_head();
  ASSERT_EQ(state_of_reads(), State::open);
  EXPECT_EQ(shielded->list().error().reason, Reason::circuit_open);
  const auto again = shielded->open("default");
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(*again, *log);
}

TEST_F(Shielded, health_tells_of_circuits_that_are_open) {
  put_up();
  const auto shielded = shield_->around(std::make_shared<weir::testing::MemoryCatalog>(
      weir::testing::MemoryOptions{.clock = &time_}));
  fake_->set_down(true);
  for (int i = 0; i < 2; ++i) calls_of_head();
  const auto checks = shielded->health();
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0].name, "store.read");
  EXPECT_EQ(checks[0].status, HealthStatus::degraded);
  EXPECT_EQ(checks[0].reason, "the circuit is open: the database failed too often");
  EXPECT_EQ(checks[1].name, "store.write");
  EXPECT_EQ(checks[1].status, HealthStatus::healthy);
  EXPECT_EQ(checks[1].data[0].second, HealthValue(std::string("closed")));
}

TEST_F(Shielded, reload_keeps_an_open_circuit_open_and_refuses_what_is_out_of_range) {
  put_up();
  fake_->set_down(true);
  for (int i = 0; i < 2; ++i) calls_of_head();
  ASSERT_EQ(state_of_reads(), State::open);
  ASSERT_TRUE(shield_->reload(preset("development").value()));
  EXPECT_EQ(state_of_reads(), State::open);
  time_.advance(60s);
  fake_->set_down(false);
  EXPECT_EQ(calls_of_head(), 1u);
  EXPECT_EQ(state_of_reads(), State::closed) << "development closes after one success";

  auto wrong = ShieldOptions();
  wrong.write.retry.attempts_max = 0;
  EXPECT_EQ(shield_->reload(wrong).error().message,
            "store.write: retry.attempts_max: 0, must be from 1 to 1000");
}

TEST(ShieldPreset, is_known_by_name) {
  const auto options = preset("high-throughput").value();
  EXPECT_EQ(options.read.timeout.after, 5s);
  EXPECT_EQ(options.write.circuit_breaker.calls_min, 100);
  EXPECT_EQ(preset("none").error().message,
            "preset: 'none', must be development, production or high-throughput");
}

TEST(ShieldPreset, is_production_unless_told_otherwise) {
  const ShieldOptions options;
  for (const auto* strategies : {&options.read, &options.write}) {
    EXPECT_EQ(strategies->timeout.after, 30s);
    EXPECT_EQ(strategies->retry.attempts_max, 3);
    EXPECT_EQ(strategies->retry.delay, 1s);
    EXPECT_EQ(strategies->retry.delay_max, 30s);
    EXPECT_EQ(strategies->retry.backoff, resilience::Backoff::exponential);
    EXPECT_NE(strategies->retry.jitter, resilience::Jitter::none);
    EXPECT_EQ(strategies->circuit_breaker.failure_ratio, 0.5);
    EXPECT_EQ(strategies->circuit_breaker.calls_min, 5);
    EXPECT_EQ(strategies->circuit_breaker.open_for, 60s);
    EXPECT_EQ(strategies->circuit_breaker.successes_to_close, 2);
  }
}

}  // namespace
}  // namespace weir::resilient
