#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <random>

#include <tests/support/load.hpp>
#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using testing_support::Appenders;
using testing_support::Attempt;
using testing_support::Follower;
using testing_support::Ledger;
using testing_support::ServerProcess;
using testing_support::test_rounds;
using namespace std::chrono_literals;

/// Rounds after which a fresh store is begun, so that a long run does not get ever slower.
constexpr int rounds_of_a_store = 20;
constexpr int clients = 6;

class Killed : public testing::TestWithParam<Engine> {
 protected:
  /// One store, killed again and again.
  void torture(int rounds, std::mt19937& random);
  void send_again(EventStore& log, Ledger& ledger);
  void compare(const Follower& follower, const std::vector<std::uint64_t>& expected);
  void verify(const std::string& store);

  std::size_t acknowledged_ = 0;
  std::size_t unknown_ = 0;
};

/// What was sent with a key and not answered is settled by sending it again.
void Killed::send_again(EventStore& log, Ledger& ledger) {
  for (auto& attempt : ledger.take_unknown_with_key()) {
    const auto appended = log.append({.events = attempt.events, .idempotency_key = attempt.key});
    ASSERT_TRUE(appended) << attempt.name << ": " << to_string(appended.error());
    attempt.outcome = Attempt::Outcome::acknowledged;
    attempt.answer = *appended;
    ledger.add(std::move(attempt));
  }
}

void Killed::compare(const Follower& follower, const std::vector<std::uint64_t>& expected) {
  const auto up_to = std::upper_bound(expected.begin(), expected.end(), follower.cursor().value);
  ASSERT_EQ(follower.seen(), std::vector<std::uint64_t>(expected.begin(), up_to))
      << "a subscriber that resumes must see everything once, up to " << follower.cursor().value;
}

void Killed::verify(const std::string& store) {
  const auto verified = testing_support::run_program(testing_support::built_program(),
                                                     {"verify", "--json", "--store", store});
  ASSERT_EQ(verified.exit, 0) << verified.output;
}

void Killed::torture(int rounds, std::mt19937& random) {
  const auto place = GetParam().make();
  Ledger ledger;
  Follower all{{}}, hot{Query{}.tagged("hot:0")};
  const auto positions = [&] {
    std::vector<std::uint64_t> list(ledger.markers().size());
    for (std::size_t i = 0; i < list.size(); ++i) list[i] = i + 1;
    return list;
  };
  for (int round = 0; round < rounds && !HasFatalFailure(); ++round) {
    ServerProcess server({.program = testing_support::built_program(), .store = place->uri()});
    std::vector<std::shared_ptr<EventStore>> logs;
    for (int i = 0; i < clients; ++i) logs.push_back(server.connect());
    send_again(*logs.front(), ledger);
    ASSERT_NO_FATAL_FAILURE(ledger.check(*logs.front()));
    all.follow(logs[0]);
    hot.follow(logs[1]);
    Appenders appenders(logs, ledger, static_cast<std::uint32_t>(random()));
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + random() % 300));
    server.kill();
    appenders.join();
    all.join();
    hot.join();

    ASSERT_NO_FATAL_FAILURE(verify(place->uri()));
    ServerProcess again({.program = testing_support::built_program(), .store = place->uri()});
    ASSERT_NO_FATAL_FAILURE(ledger.check(*again.connect()));
    ASSERT_NO_FATAL_FAILURE(compare(all, positions()));
    ASSERT_NO_FATAL_FAILURE(compare(hot, ledger.hot()));
    again.kill();
  }

  ServerProcess server({.program = testing_support::built_program(), .store = place->uri()});
  const auto log = server.connect();
  send_again(*log, ledger);
  ASSERT_NO_FATAL_FAILURE(ledger.check(*log));
  const Position head(ledger.markers().size());
  all.follow(log);
  hot.follow(log);
  ASSERT_TRUE(all.reach(head));
  ASSERT_TRUE(hot.reach(head));
  ASSERT_NO_FATAL_FAILURE(compare(all, positions()));
  ASSERT_NO_FATAL_FAILURE(compare(hot, ledger.hot()));
  acknowledged_ += ledger.count(Attempt::Outcome::acknowledged);
  unknown_ += ledger.count(Attempt::Outcome::unknown);
}

TEST_P(Killed, a_server_killed_under_load_loses_and_repeats_nothing) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int left = test_rounds(); left > 0; left -= rounds_of_a_store) {
    ASSERT_NO_FATAL_FAILURE(torture(std::min(left, rounds_of_a_store), random));
  }
  EXPECT_GT(acknowledged_, 0u);
  EXPECT_GT(unknown_, 0u) << "no append was ever under way when the server was killed";
}

INSTANTIATE_TEST_SUITE_P(Server, Killed, testing::ValuesIn(engines()), engine_name);

}  // namespace
}  // namespace weir::system_tests
