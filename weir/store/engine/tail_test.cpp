#include <weir/store/engine/tail.hpp>

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weir::engine {
namespace {

/// Terms of events, in a plain map.
struct Oracle {
  std::map<std::uint64_t, std::vector<Term>> events;

  bool any_past(Term term, std::uint64_t after) const {
    for (auto it = events.upper_bound(after); it != events.end(); ++it) {
      for (const auto other : it->second) {
        if (other == term) return true;
      }
    }
    return false;
  }
  std::vector<Position> in(Term term, std::uint64_t after, std::uint64_t until) const {
    std::vector<Position> list;
    for (auto it = events.upper_bound(after); it != events.end() && it->first <= until; ++it) {
      for (const auto other : it->second) {
        if (other == term) list.push_back(Position(it->first));
      }
    }
    return list;
  }
};

CompiledQuery asking(Term term) {
  CompiledQuery query;
  query.scans = false;
  query.items.push_back({.all = {term}, .any = {}});
  return query;
}

std::vector<Position> walk(PostingSource& source, Term term, Direction direction,
                           std::uint64_t from) {
  auto cursor = source.list(term);
  EXPECT_TRUE(cursor);
  std::vector<Position> list;
  auto found = (*cursor)->seek(Position(from));
  while (found && *found) {
    list.push_back(**found);
    const auto at = list.back().value;
    found = (*cursor)->seek(Position(direction == Direction::forwards ? at + 1 : at - 1));
  }
  return list;
}

TEST(Tail, agrees_with_a_plain_map_across_segments) {
  std::mt19937 random(11);
  Tail tail({.segment_events = 64, .keep_events = 200});
  Oracle oracle;
  tail.indexed(Position());  // nothing is indexed elsewhere: everything must be kept
  std::uint64_t head = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint32_t> counts;
    std::vector<Term> terms;
    // Some of them are known already: whoever sees them first adds them.
    const auto again = std::min<std::uint64_t>(head, random() % 3);
    for (auto p = head - again + 1; p <= head; ++p) {
      counts.push_back(static_cast<std::uint32_t>(oracle.events[p].size()));
      terms.insert(terms.end(), oracle.events[p].begin(), oracle.events[p].end());
    }
    const auto first = head - again + 1;
    for (auto fresh = random() % 8; fresh > 0; --fresh) {
      std::vector<Term> of_event;
      for (Term term = 1; term <= 6; ++term) {
        if (random() % 4 == 0) of_event.push_back(term);
      }
      counts.push_back(static_cast<std::uint32_t>(of_event.size()));
      terms.insert(terms.end(), of_event.begin(), of_event.end());
      oracle.events[++head] = of_event;
    }
    tail.append(Position(first), counts, terms);
    ASSERT_EQ(tail.head().value, head);
    const Term term = 1 + random() % 7;
    const auto after = head == 0 ? 0 : random() % (head + 2);
    ASSERT_EQ(tail.may_match(asking(term), Position(after)), oracle.any_past(term, after));
    const auto until = after + random() % (head + 1);
    auto expected = oracle.in(term, after, until);
    const auto forwards = tail.view(Position(after), Position(until), Direction::forwards);
    ASSERT_EQ(walk(*forwards.source, term, Direction::forwards, after + 1), expected);
    std::reverse(expected.begin(), expected.end());
    const auto backwards = tail.view(Position(after), Position(until), Direction::backwards);
    ASSERT_EQ(walk(*backwards.source, term, Direction::backwards, until), expected);
  }
}

TEST(Tail, keeps_what_is_not_indexed_and_no_more_than_it_must_of_the_rest) {
  Tail tail({.segment_events = 10, .keep_events = 20});
  tail.indexed(Position());
  const auto add = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint32_t counts[] = {1};
      const Term terms[] = {7};
      tail.append(tail.head().next(), counts, terms);
    }
  };
  add(100);
  EXPECT_EQ(tail.begin().value, 0u);
  EXPECT_EQ(tail.sealed_past(Position(50)).size(), 4u);
  tail.indexed(Position(60));
  EXPECT_EQ(tail.begin().value, 60u);
  tail.indexed(Position(100));
  EXPECT_EQ(tail.begin().value, 80u);
  EXPECT_TRUE(tail.may_match(asking(7), Position(90)));
}

TEST(Tail, skips_forwards_and_never_back) {
  Tail tail({});
  tail.skip_to(tail.known(), Position(50));
  EXPECT_EQ(tail.begin().value, 50u);
  EXPECT_EQ(tail.head().value, 50u);
  const std::uint32_t counts[] = {1};
  const Term terms[] = {7};
  tail.append(Position(51), counts, terms);
  tail.skip_to(tail.known(), Position(40));
  EXPECT_EQ(tail.head().value, 51u);
  EXPECT_TRUE(tail.may_match(asking(7), Position(50)));
}

// Whoever read the log before it was put back may still be at it.
TEST(Tail, takes_nothing_from_who_read_the_log_before_it_was_rewound) {
  Tail tail({});
  const std::uint32_t counts[] = {1};
  const Term gone[] = {7};
  const Term there[] = {8};
  tail.append(Position(1), counts, there);
  const auto known = tail.known();
  tail.rewind(Position(1));
  tail.append(known, Position(2), counts, gone);
  tail.skip_to(known, Position(50));
  tail.rewind(Position(), known);
  EXPECT_EQ(tail.head().value, 1u);
  EXPECT_EQ(tail.rewinds(), 1u);
  tail.append(tail.known(), Position(2), counts, there);
  EXPECT_FALSE(tail.may_match(asking(7), Position(1)));
  EXPECT_TRUE(tail.may_match(asking(8), Position(1)));
  tail.rewind(Position(), tail.known());
  EXPECT_EQ(tail.head().value, 0u);
}

}  // namespace
}  // namespace weir::engine
