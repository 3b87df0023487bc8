#include <gmock/gmock.h>

#include <filesystem>
#include <memory>
#include <random>
#include <thread>

#include <apps/weir/verifier.hpp>
#include <weir/store/sqlite/store.hpp>

#include <tests/faults/faulty_vfs.hpp>
#include <tests/support/load.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::fault_tests {
namespace {

using testing::HasSubstr;
using testing_support::Appenders;
using testing_support::Attempt;
using testing_support::Follower;
using testing_support::Ledger;
using testing_support::OnFailure;
using namespace std::chrono_literals;

std::size_t acknowledged(const Ledger& ledger) {
  return ledger.count(Attempt::Outcome::acknowledged);
}

class Faults : public testing::Test {
 protected:
  void open() {
    // Small, so that a short test sees runs, merges and checkpoints.
    auto store = sqlite::Store::open({.path = folder_.file("log.db"),
                                      .segment_events = 256,
                                      .checkpoint_bytes = 256 << 10,
                                      .vfs = FaultyVfs::name},
                                     std::make_shared<engine::Threads>());
    ASSERT_TRUE(store) << to_string(store.error());
    auto log = (*store)->open("default", {});
    ASSERT_TRUE(log) << to_string(log.error());
    log_ = *log;
  }
  void close() { log_.reset(); }
  /// Closes as a machine does that loses its power, and opens what is left.
  void power_cut(std::mt19937& random) {
    vfs_.cut_power();
    close();
    vfs_.restore_power(random);
    open();
  }
  Result<Appended> append(const std::string& name) {
    return log_->append({.events = {{.type = "A", .tags = {name}, .data = "{}"}}});
  }
  std::vector<std::string> names() {
    auto known = log_->read({}).collect();
    EXPECT_TRUE(known) << to_string(known.error());
    std::vector<std::string> list;
    for (const auto& event : known->events) list.push_back(event.tags.front());
    return list;
  }
  void verify() {
    const auto verified = cli::verify_log(
        *log_, {.on_damage = [](const std::string& what) { ADD_FAILURE() << what; }});
    ASSERT_TRUE(verified) << to_string(verified.error());
  }

  testing_support::TemporaryFolder folder_;
  FaultyVfs vfs_;
  std::shared_ptr<EventStore> log_;
};

TEST_F(Faults, an_append_whose_sync_fails_is_not_acknowledged_and_the_next_one_is) {
  open();
  ASSERT_TRUE(append("before"));
  vfs_.fail(Operation::sync, 0, 1);
  const auto failed = append("failed");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("disk I/O error"));
  const auto after = append("after");
  ASSERT_TRUE(after) << to_string(after.error());
  std::mt19937 random(1);
  power_cut(random);
  EXPECT_THAT(names(), testing::IsSupersetOf({"before", "after"}));
  EXPECT_EQ(log_->head()->value, names().size());
}

TEST_F(Faults, on_a_full_disk_an_append_fails_saying_so_and_reading_goes_on) {
  open();
  ASSERT_TRUE(append("before"));
  vfs_.fail(Operation::write, 0, 1000);
  for (int i = 0; i < 5; ++i) {
    const auto failed = append("failed");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::unavailable);
    EXPECT_THAT(failed.error().message, HasSubstr("full"));
  }
  EXPECT_THAT(names(), testing::ElementsAre("before"));
  vfs_.heal();
  ASSERT_TRUE(append("after"));
  EXPECT_THAT(names(), testing::ElementsAre("before", "after"));
}

// Whoever finds its file, after the process that was making it has died, must find a log in it.
TEST_F(Faults, a_store_is_made_whole_or_not_at_all_however_much_the_disk_takes) {
  int files = 0;
  for (const auto operation : {Operation::write, Operation::sync}) {
    bool failed = true;
    for (int taken = 0; failed; ++taken) {
      const sqlite::StoreOptions options{
          .path = folder_.file("made" + std::to_string(files++) + ".db"), .vfs = FaultyVfs::name};
      const auto before = vfs_.failures();
      vfs_.fail(operation, taken, 1'000'000);
      static_cast<void>(sqlite::Store::open(options, std::make_shared<engine::Threads>()));
      vfs_.heal();
      failed = vfs_.failures() > before;
      if (!std::filesystem::exists(options.path)) continue;
      const auto there = sqlite::Store::open({.path = options.path, .create = false},
                                             std::make_shared<engine::Threads>());
      EXPECT_TRUE(there) << "after " << taken << " operations: " << to_string(there.error());
    }
  }
}

TEST_F(Faults, a_read_that_fails_says_why_and_the_same_store_reads_again_afterwards) {
  open();
  // More than the connections keep in memory.
  const auto data = "{\"x\":\"" + std::string(20'000, 'x') + "\"}";
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(
        log_->append({.events = {{.type = "A", .tags = {"t" + std::to_string(i)}, .data = data}}}));
  }
  for (int i = 0; i < 30; ++i) {
    close();
    open();
    vfs_.fail(Operation::read, i, 2);
    const auto query = i % 2 == 0 ? Query{} : Query{}.tagged("t17");
    auto known = log_->read({.query = query}).collect();
    vfs_.heal();
    if (!known) {
      EXPECT_EQ(known.error().code, Code::unavailable) << to_string(known.error());
      EXPECT_THAT(known.error().message, HasSubstr("disk I/O error"));
    }
    ASSERT_EQ(names().size(), 600u) << "after failure " << i;
  }
  EXPECT_GT(vfs_.failures(), 10);
  verify();
}

TEST_F(Faults, what_was_acknowledged_survives_a_power_cut_at_any_moment) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  open();
  Ledger ledger;
  Follower follower{{}};
  for (int round = 0; round < testing_support::test_rounds(); ++round) {
    follower.follow(log_, OnFailure::go_on);
    {
      Appenders appenders({log_, log_, log_, log_}, ledger, static_cast<std::uint32_t>(random()));
      // A slow machine is cut as much later.
      const auto enough = acknowledged(ledger) + 10 + random() % 100;
      while (acknowledged(ledger) < enough) std::this_thread::sleep_for(1ms);
      vfs_.cut_power();
    }
    follower.join();
    ASSERT_NO_FATAL_FAILURE(power_cut(random));
    ASSERT_NO_FATAL_FAILURE(ledger.check(*log_));
    ASSERT_LE(follower.cursor().value, ledger.markers().size())
        << "a subscriber has seen what was not on disk";
    ASSERT_NO_FATAL_FAILURE(verify());
  }
}

TEST_F(Faults, errors_at_random_lose_nothing_stop_nothing_and_leave_the_index_right) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  open();
  Ledger ledger;
  Follower follower{{}};
  for (int round = 0; round < testing_support::test_rounds(); ++round) {
    follower.follow(log_, OnFailure::go_on);
    {
      Appenders appenders({log_, log_, log_, log_}, ledger, static_cast<std::uint32_t>(random()),
                          OnFailure::go_on);
      for (int i = 0; i < 5; ++i) {
        constexpr Operation operations[] = {Operation::read, Operation::write, Operation::sync};
        vfs_.fail(operations[random() % 3], static_cast<int>(random() % 50),
                  static_cast<int>(1 + random() % 4));
        std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 20));
      }
      vfs_.heal();
      std::this_thread::sleep_for(10ms);
    }
    ASSERT_NO_FATAL_FAILURE(ledger.check(*log_));
    const Position head(ledger.markers().size());
    ASSERT_TRUE(follower.reach(head))
        << "a subscriber stopped at " << follower.cursor().value << " of " << head.value;
    for (std::size_t i = 0; i < follower.seen().size(); ++i) {
      ASSERT_EQ(follower.seen()[i], i + 1);
    }
    ASSERT_NO_FATAL_FAILURE(verify());
    if (random() % 3 == 0) {
      ASSERT_NO_FATAL_FAILURE(power_cut(random));
    }
    ASSERT_NO_FATAL_FAILURE(ledger.check(*log_));
  }
  EXPECT_GT(vfs_.failures(), 0);
}

}  // namespace
}  // namespace weir::fault_tests
