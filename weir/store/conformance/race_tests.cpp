#include <gmock/gmock.h>

#include <mutex>
#include <random>
#include <thread>

#include <weir/store/conformance/conformance.hpp>

namespace weir::conformance {
namespace {

struct Attempt {
  Condition condition;
  bool appended = false;
  std::uint64_t first = 0;
  std::uint64_t conflict = 0;
  /// The head before the append was sent: what the condition could have seen at least.
  std::uint64_t head_before = 0;
};

std::string pick(std::mt19937& random, const char* prefix, unsigned of) {
  return prefix + std::to_string(random() % of);
}

Event random_event(std::mt19937& random) {
  Event event{.type = pick(random, "T", 3), .data = "{\"k\":\"" + pick(random, "v", 3) + "\"}"};
  for (auto i = random() % 3; i > 0; --i) event.tags.push_back(pick(random, "t", 4));
  return event;
}

Query random_query(std::mt19937& random) {
  Query query;
  for (auto items = random() % 4; items > 0; --items) {
    QueryItem item;
    for (auto i = random() % 3; i > 0; --i) item.types.push_back(pick(random, "T", 3));
    for (auto i = random() % 3; i > 0; --i) item.tags.push_back(pick(random, "t", 4));
    if (random() % 4 == 0) item.where.push_back({"k", pick(random, "v", 3)});
    item.where_any = random() % 2 == 0;
    query.items.push_back(std::move(item));
  }
  return query;
}

bool matches_recorded(const Query& query, const RecordedEvent& event) {
  const std::vector<std::string_view> tags(event.tags.begin(), event.tags.end());
  return matches(query, {event.type, tags, event.data});
}

/// The first event in (after, before) that matches; 0 when there is none.
std::uint64_t first_match(const std::vector<RecordedEvent>& log, const Condition& condition,
                          std::uint64_t before) {
  for (const auto& event : log) {
    if (event.position.value >= before) break;
    if (event.position <= condition.after.value_or(Position())) continue;
    if (matches_recorded(condition.fail_if_events_match, event)) return event.position.value;
  }
  return 0;
}

}  // namespace

TEST_P(ConcurrencyConformance, racing_conditional_appends_are_each_legal_or_justly_refused) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mutex mutex;
  std::vector<Attempt> attempts;
  std::vector<std::jthread> clients;
  for (unsigned client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      std::mt19937 random(seed + client);
      for (int i = 0; i < 150; ++i) {
        Attempt attempt;
        attempt.head_before = log_->head()->value;
        attempt.condition.fail_if_events_match = random_query(random);
        const auto back = random() % 4;
        if (random() % 8 != 0) {
          attempt.condition.after =
              Position(attempt.head_before > back ? attempt.head_before - back : 0);
        }
        std::vector<Event> events;
        for (auto n = 1 + random() % 2; n > 0; --n) events.push_back(random_event(random));
        const auto appended = log_->append({.events = events, .condition = attempt.condition});
        attempt.appended = appended.ok();
        if (appended) {
          attempt.first = appended->first.value;
        } else {
          ASSERT_EQ(appended.error().code, Code::aborted) << to_string(appended.error());
          attempt.conflict = std::stoull(appended.error().details.at("position"));
        }
        const std::lock_guard lock(mutex);
        attempts.push_back(std::move(attempt));
      }
    });
  }
  clients.clear();

  const auto log = events();
  for (std::size_t i = 0; i < log.size(); ++i) ASSERT_EQ(log[i].position.value, i + 1);
  std::size_t successes = 0, conflicts = 0;
  for (const auto& attempt : attempts) {
    if (attempt.appended) {
      ++successes;
      EXPECT_EQ(first_match(log, attempt.condition, attempt.first), 0u)
          << "illegal success at " << attempt.first << " of "
          << to_json(attempt.condition.fail_if_events_match);
    } else {
      ++conflicts;
      EXPECT_EQ(first_match(log, attempt.condition, UINT64_MAX), attempt.conflict)
          << "unjustified conflict of " << to_json(attempt.condition.fail_if_events_match);
    }
  }
  EXPECT_GT(successes, 0u);
  EXPECT_GT(conflicts, 0u);
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
