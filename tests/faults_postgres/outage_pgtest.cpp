#include <fmt/format.h>

#include <tests/faults_postgres/shielded_store.hpp>

namespace weir::faults_postgres {
namespace {

using namespace std::chrono_literals;
using testing_support::Follower;
using testing_support::OnFailure;
using State = resilience::CircuitBreaker::State;

/// With the preset that servers have unless told otherwise, whose circuits open for a minute.
class Outage : public Faults {
 protected:
  void SetUp() override { store.emplace(uri, resilient::preset("production").value()); }
  /// Four who append and eight who read, all of whom ask again when they are told to.
  void load() {
    appenders = append(*store, 4, OnFailure::ask_again);
    readers = std::make_unique<Readers>(store->log, 8, CallOptions(), OnFailure::ask_again);
  }
  bool heard(resilience::EventKind kind) const {
    for (const auto& event : store->heard->heard()) {
      if (event.kind == kind) return true;
    }
    return false;
  }
  void join() {
    appenders->join();
    readers->join();
  }

  std::optional<ShieldedStore> store;
  std::unique_ptr<testing_support::Appenders> appenders;
  std::unique_ptr<Readers> readers;
};

TEST_F(Outage, of_two_seconds_is_over_soon_after_and_shows_no_error_to_who_asks_again) {
  ASSERT_TRUE(store->log->append({.events = {{.type = "First", .data = "{\"m\":\"first.0\"}"}}}));
  Follower follower{{}};
  follower.follow(store->log);
  cluster().stop();
  // Those who come now make the circuits open; before, they would have counted as successes.
  load();
  ASSERT_TRUE(store->reach(State::open, 20s)) << store->in_words();
  pause(2s);
  cluster().start();
  const auto back = system_clock().instant();
  EXPECT_EQ(ledger.events_acknowledged(), 0u);
  ASSERT_TRUE(store->reach(State::closed, 20s)) << store->in_words();
  const auto took = system_clock().instant() - back;
  pause(1s);
  join();
  fmt::print("closed {} ms after the database was back\n",
             std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  EXPECT_LT(took, 7s);
  EXPECT_GT(ledger.events_acknowledged(), 0u);
  EXPECT_GT(readers->reads(), 0u);
  EXPECT_EQ(ledger.failures(), 0u) << "who asked again as told was told of an error";
  EXPECT_EQ(readers->errors(), 0u);
  compare(follower);
}

TEST_F(Outage, of_two_seconds_under_load_shows_no_error_to_who_asks_again) {
  Follower follower{{}};
  follower.follow(store->log);
  load();
  pause(300ms);
  const auto before = ledger.events_acknowledged();
  cluster().stop();
  pause(2s);
  cluster().start();
  const auto back = system_clock().instant();
  const auto stopped = ledger.events_acknowledged();
  while (ledger.events_acknowledged() == stopped && system_clock().instant() < back + 30s) {
    pause(1ms);
  }
  EXPECT_LT(system_clock().instant() - back, 7s) << store->in_words();
  EXPECT_TRUE(store->reach(State::closed, 10s)) << store->in_words();
  pause(1s);
  join();
  EXPECT_GT(before, 0u);
  EXPECT_EQ(ledger.failures(), 0u);
  EXPECT_EQ(readers->errors(), 0u);
  compare(follower);
}

}  // namespace
}  // namespace weir::faults_postgres
