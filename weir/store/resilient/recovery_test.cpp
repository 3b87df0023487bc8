#include <weir/store/resilient/recovery.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include <tests/support/fake_backend.hpp>
#include <weir/resilience/testing/recorder.hpp>
#include <weir/store/resilient/shield.hpp>

namespace weir::resilient {
namespace {

using testing_support::FakeBackend;
using namespace std::chrono_literals;
using State = resilience::CircuitBreaker::State;

/// A backend behind a shield with the circuit of `production`, and a database that looks see up or
/// down.
class Recovering : public ::testing::Test {
 protected:
  static ShieldOptions quick() {
    ShieldOptions options;
    options.read.retry.attempts_max = 1;
    options.write.retry.attempts_max = 1;
    options.recovery = {.delay = 20ms, .delay_max = 40ms, .timeout = 1s};
    return options;
  }
  void put_up(ShieldOptions options = quick()) {
    options.listener = recorder_;
    shield_ = Shield::create(std::move(options)).value();
    shield_->look_with([this](const CallOptions& call) { return look(call); });
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    backend_ = shield_->around(std::move(backend));
  }
  Result<Answering> look(const CallOptions& call) {
    ++looks_;
    if (const auto left = *call.deadline - system_clock().instant(); left > 1s) ++too_patient_;
    if (!answers_) return unavailable("nobody is there");
    return Answering{.writes = writes_};
  }
  void set_down(bool down) {
    fake_->set_down(down);
    answers_ = !down;
  }
  Result<void> write() {
    auto writer = backend_->open_writer().value();
    const auto begun = writer->begin({});
    if (!begun) return begun.error();
    return writer->commit({});
  }
  void open_both() {
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(backend_->head({}));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(write());
    EXPECT_EQ(state(0), State::open);
    EXPECT_EQ(state(1), State::open);
  }
  State state(std::size_t circuit) const { return shield_->circuits().at(circuit).circuit.state; }
  template <class Condition>
  static bool comes_true(Condition condition) {
    const auto until = system_clock().instant() + 10s;
    while (!condition()) {
      if (system_clock().instant() > until) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

  std::atomic<bool> answers_ = true;
  std::atomic<bool> writes_ = true;
  std::atomic<int> looks_ = 0;
  std::atomic<int> too_patient_ = 0;
  std::shared_ptr<resilience::Recorder> recorder_ = std::make_shared<resilience::Recorder>();
  std::shared_ptr<Shield> shield_;
  FakeBackend* fake_ = nullptr;
  std::unique_ptr<engine::Backend> backend_;
};

TEST_F(Recovering, circuits_are_half_open_once_a_look_finds_the_database_again) {
  put_up();
  set_down(true);
  open_both();
  ASSERT_TRUE(comes_true([this] { return looks_ >= 3; }));
  EXPECT_EQ(state(0), State::open) << "it was half-opened while nobody answered";
  set_down(false);
  ASSERT_TRUE(
      comes_true([this] { return state(0) == State::half_open && state(1) == State::half_open; }));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(backend_->head({}));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(write());
  EXPECT_EQ(state(0), State::closed);
  EXPECT_EQ(state(1), State::closed);
  EXPECT_EQ(too_patient_, 0) << "a look has no bound";
  EXPECT_NE(recorder_->in_words().find("half_opened"), std::string::npos);
}

TEST_F(Recovering, nobody_looks_while_all_circuits_are_closed) {
  put_up();
  EXPECT_TRUE(backend_->head({}));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(looks_, 0);
  set_down(true);
  open_both();
  ASSERT_TRUE(comes_true([this] { return looks_ > 0; }));
  set_down(false);
  ASSERT_TRUE(comes_true([this] {
    return backend_->head({}).ok() && write().ok() && state(0) == State::closed &&
           state(1) == State::closed;
  }));
  const int before = looks_;
  std::this_thread::sleep_for(200ms);
  EXPECT_LE(looks_, before + 1) << "one that was under way";
}

TEST_F(Recovering, who_is_refused_is_told_of_the_next_look_and_not_of_the_breaks_end) {
  auto options = quick();
  options.recovery = {.delay = 2s, .delay_max = 2s, .jitter = 0};
  put_up(options);
  set_down(true);
  open_both();
  for (const auto& error : {backend_->head({}).error(), write().error()}) {
    EXPECT_EQ(error.reason, Reason::circuit_open);
    ASSERT_TRUE(error.retry_after);
    EXPECT_GT(*error.retry_after, 1s);
    EXPECT_LE(*error.retry_after, 2200ms);
  }
}

TEST_F(Recovering, call_on_which_the_circuit_opens_waits_for_the_look_and_succeeds) {
  auto options = quick();
  options.read.retry = {.attempts_max = 4, .delay = 1ms, .delay_max = 30s};
  options.read.circuit_breaker.calls_min = 2;
  put_up(options);
  set_down(true);
  auto call = std::async(std::launch::async, [this] { return backend_->head({}); });
  ASSERT_TRUE(comes_true([this] { return state(0) == State::open; }));
  set_down(false);
  ASSERT_EQ(call.wait_for(5s), std::future_status::ready) << "it waits for the break's 60 s";
  const auto head = call.get();
  EXPECT_TRUE(head) << to_string(head.error());
}

TEST_F(Recovering, call_that_begins_while_the_circuit_is_open_is_refused_at_once) {
  auto options = quick();
  options.recovery = {.delay = 1s, .delay_max = 1s, .jitter = 0};
  options.read.retry = {.attempts_max = 1000, .delay = 1s, .delay_max = 30s};
  options.read.circuit_breaker.calls_min = 1;
  put_up(options);
  set_down(true);
  auto in_vain = std::async(std::launch::async, [this] {
    return backend_->head({.deadline = system_clock().instant() + 300ms});
  });
  EXPECT_FALSE(in_vain.get());
  ASSERT_EQ(state(0), State::open);
  const auto began = system_clock().instant();
  const auto refused = backend_->head({});
  EXPECT_EQ(refused.error().reason, Reason::circuit_open);
  EXPECT_LT(system_clock().instant() - began, 500ms);
}

TEST_F(Recovering, circuit_of_writes_stays_open_while_the_database_is_a_replica) {
  put_up();
  set_down(true);
  open_both();
  writes_ = false;
  set_down(false);
  ASSERT_TRUE(comes_true([this] { return state(0) == State::half_open; }));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(backend_->head({}));
  const int before = looks_;
  ASSERT_TRUE(comes_true([&] { return looks_ > before + 2; }));
  EXPECT_EQ(state(1), State::open);
  writes_ = true;
  EXPECT_TRUE(comes_true([this] { return state(1) == State::half_open; }));
}

TEST_F(Recovering, look_that_hangs_ends_with_the_shield) {
  put_up();
  std::atomic<bool> hangs = false;
  shield_->look_with([&](const CallOptions& call) -> Result<Answering> {
    hangs = true;
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, call.stop, 1min, [] { return false; });
    return cancelled();
  });
  set_down(true);
  open_both();
  ASSERT_TRUE(comes_true([&] { return hangs.load(); }));
  const auto began = system_clock().instant();
  shield_.reset();
  backend_.reset();  // it was kept by this
  EXPECT_LT(system_clock().instant() - began, 10s);
}

TEST_F(Recovering, can_be_switched_off_and_on_again) {
  auto options = quick();
  options.recovery.delay = 0ms;
  put_up(options);
  set_down(true);
  open_both();
  EXPECT_GT(backend_->head({}).error().retry_after.value(), 50s);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(looks_, 0);
  ASSERT_TRUE(shield_->reload(quick()));
  set_down(false);
  EXPECT_TRUE(comes_true([this] { return state(0) == State::half_open; }));
}

}  // namespace
}  // namespace weir::resilient
