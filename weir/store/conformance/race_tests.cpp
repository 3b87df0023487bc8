#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include <weir/store/conformance/conformance.hpp>
#include <weir/store/conformance/judging.hpp>

namespace weir::conformance {

TEST_P(ConcurrencyConformance, racing_conditional_appends_are_each_legal_or_justly_refused) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mutex mutex;
  std::vector<Attempt> attempts;
  std::vector<std::jthread> clients;
  for (unsigned client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      const auto raced = race(*log_, seed + client, 150);
      ASSERT_TRUE(raced) << to_string(raced.error());
      const std::lock_guard lock(mutex);
      attempts.insert(attempts.end(), raced.value().begin(), raced.value().end());
    });
  }
  clients.clear();
  judge(attempts, events());
}

TEST_P(ConcurrencyConformance, of_many_racers_on_one_condition_exactly_one_wins_each_round) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::atomic<int> won = 0;
    std::vector<std::jthread> racers;
    for (int i = 0; i < 8; ++i) {
      racers.emplace_back([&] {
        const auto appended = append_if(simple("A", {"hot"}), Query{}.tagged("hot"), round);
        if (appended) ++won;
      });
    }
    racers.clear();
    ASSERT_EQ(won, 1) << "round " << round;
  }
  EXPECT_EQ(log_->head()->value, 20u);
}

TEST_P(ConcurrencyConformance, a_key_sent_many_times_at_once_appends_once) {
  std::atomic<int> firsts = 0, replays = 0;
  std::vector<std::jthread> senders;
  for (int i = 0; i < 8; ++i) {
    senders.emplace_back([&] {
      const auto appended = log_->append({.events = {simple("A")}, .idempotency_key = "k"});
      ASSERT_TRUE(appended) << to_string(appended.error());
      EXPECT_EQ(appended->last.value, 1u);
      ++(appended->replayed ? replays : firsts);
    });
  }
  senders.clear();
  EXPECT_EQ(firsts, 1);
  EXPECT_EQ(replays, 7);
  EXPECT_EQ(log_->head()->value, 1u);
}

TEST_P(ConcurrencyConformance, asynchronous_appends_each_answer_once) {
  std::atomic<int> answers = 0;
  std::mutex mutex;
  std::vector<std::uint64_t> positions;
  constexpr int total = 500;
  for (int i = 0; i < total; ++i) {
    log_->append({.events = {simple("A")}}, [&](Result<Appended> appended) {
      if (appended) {
        const std::lock_guard lock(mutex);
        positions.push_back(appended->last.value);
      }
      ++answers;
      answers.notify_all();
    });
  }
  for (int seen = answers; seen < total; seen = answers) answers.wait(seen);
  std::sort(positions.begin(), positions.end());
  ASSERT_EQ(positions.size(), static_cast<std::size_t>(total));
  for (int i = 0; i < total; ++i) EXPECT_EQ(positions[static_cast<std::size_t>(i)], i + 1u);
}

}  // namespace weir::conformance
