#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <thread>

#include <weir/open.hpp>
#include <weir/store/conformance/judging.hpp>

#include <tests/support/load.hpp>
#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using testing_support::Follower;
using testing_support::ServerProcess;

class Processes : public testing::TestWithParam<Engine> {
 protected:
  /// `weir append` under a condition, as a process of its own.
  conformance::Attempt append_by_command(EventStore& log, std::mt19937& random) {
    conformance::Attempt attempt;
    const auto head = log.head();
    EXPECT_TRUE(head) << to_string(head.error());
    attempt.condition = {.fail_if_events_match = conformance::random_query(random), .after = *head};
    const auto event = conformance::random_event(random);
    std::vector<std::string> arguments = {"append",
                                          "--store",
                                          place_->uri(),
                                          "--type",
                                          event.type,
                                          "--data",
                                          event.data,
                                          "--condition-query",
                                          to_json(attempt.condition.fail_if_events_match),
                                          "--after",
                                          std::to_string(head->value)};
    for (const auto& tag : event.tags) arguments.insert(arguments.end(), {"--tag", tag});
    const auto done = testing_support::run_program(testing_support::built_program(), arguments);
    attempt.appended = done.exit == 0;
    if (attempt.appended) {
      attempt.first = std::stoull(done.output);
    } else {
      EXPECT_EQ(done.exit, 3) << done.output;
      const auto at = done.output.find("event ");
      EXPECT_NE(at, std::string::npos) << done.output;
      attempt.conflict = std::stoull(done.output.substr(at + 6));
    }
    return attempt;
  }

  std::unique_ptr<Place> place_ = GetParam().make();
};

TEST_P(Processes, that_race_on_one_store_are_each_judged_rightly_and_every_subscriber_sees_all) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  ServerProcess first({.program = testing_support::built_program(), .store = place_->uri()});
  ServerProcess second({.program = testing_support::built_program(), .store = place_->uri()});
  auto inside = open(place_->uri());
  ASSERT_TRUE(inside) << to_string(inside.error());
  const std::vector<std::shared_ptr<EventStore>> logs = {first.connect(), second.connect(),
                                                         *inside};
  std::vector<std::unique_ptr<Follower>> followers;
  for (const auto& log : logs) {
    followers.push_back(std::make_unique<Follower>(Query{}));
    followers.back()->follow(log);
  }

  std::mutex mutex;
  std::vector<conformance::Attempt> attempts;
  std::vector<std::jthread> clients;
  for (unsigned client = 0; client < 6; ++client) {
    clients.emplace_back([&, client] {
      const auto raced = conformance::race(*logs[client % logs.size()], seed + client, 120);
      ASSERT_TRUE(raced) << to_string(raced.error());
      const std::lock_guard lock(mutex);
      attempts.insert(attempts.end(), raced.value().begin(), raced.value().end());
    });
  }
  std::mt19937 random(seed);
  for (int i = 0; i < 10; ++i) {
    auto attempt = append_by_command(*logs[0], random);
    const std::lock_guard lock(mutex);
    attempts.push_back(std::move(attempt));
  }
  clients.clear();

  auto known = logs[1]->read({}).collect();
  ASSERT_TRUE(known) << to_string(known.error());
  conformance::judge(attempts, known->events);
  for (const auto& follower : followers) {
    ASSERT_TRUE(follower->reach(known->head)) << "stopped at " << follower->cursor().value;
    std::vector<std::uint64_t> all(known->events.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i + 1;
    EXPECT_EQ(follower->seen(), all);
  }
  const auto verified = testing_support::run_program(testing_support::built_program(),
                                                     {"verify", "--store", place_->uri()});
  EXPECT_EQ(verified.exit, 0) << verified.output;
}

INSTANTIATE_TEST_SUITE_P(Several, Processes, testing::ValuesIn(engines()), engine_name);

}  // namespace
}  // namespace weir::system_tests
