#include <weir/store/conformance/judging.hpp>

#include <gtest/gtest.h>

#include <string>

namespace weir::conformance {
namespace {

std::string pick(std::mt19937& random, const char* prefix, unsigned of) {
  return prefix + std::to_string(random() % of);
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

Result<std::vector<Attempt>> race(EventStore& log, std::uint32_t seed, int appends) {
  std::mt19937 random(seed);
  std::vector<Attempt> attempts;
  for (int i = 0; i < appends; ++i) {
    WEIR_TRY_ASSIGN(head, log.head());
    Attempt attempt;
    attempt.condition.fail_if_events_match = random_query(random);
    const auto back = random() % 4;
    if (random() % 8 != 0) {
      attempt.condition.after = Position(head.value > back ? head.value - back : 0);
    }
    std::vector<Event> events;
    for (auto n = 1 + random() % 2; n > 0; --n) events.push_back(random_event(random));
    const auto appended = log.append({.events = events, .condition = attempt.condition});
    if (!appended && appended.error().code != Code::aborted) return appended.error();
    attempt.appended = appended.ok();
    if (appended) {
      attempt.first = appended->first.value;
    } else {
      attempt.conflict = std::stoull(appended.error().details.at("position"));
    }
    attempts.push_back(std::move(attempt));
  }
  return attempts;
}

void judge(const std::vector<Attempt>& attempts, const std::vector<RecordedEvent>& log) {
  for (std::size_t i = 0; i < log.size(); ++i) ASSERT_EQ(log[i].position.value, i + 1);
  std::size_t successes = 0, conflicts = 0;
  for (const auto& attempt : attempts) {
    const auto query = to_json(attempt.condition.fail_if_events_match);
    if (attempt.appended) {
      ++successes;
      EXPECT_EQ(first_match(log, attempt.condition, attempt.first), 0u)
          << "illegal success at " << attempt.first << " of " << query;
    } else {
      ++conflicts;
      EXPECT_EQ(first_match(log, attempt.condition, UINT64_MAX), attempt.conflict)
          << "unjustified conflict of " << query;
    }
  }
  EXPECT_GT(successes, 0u);
  EXPECT_GT(conflicts, 0u);
}

}  // namespace weir::conformance
