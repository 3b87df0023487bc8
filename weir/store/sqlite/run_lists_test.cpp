#include <weir/store/sqlite/run_lists.hpp>

#include <gmock/gmock.h>

#include <array>

namespace weir::sqlite {
namespace {

using ::testing::ElementsAre;

constexpr Term rare = 7, other = 8;

/// Runs up to a position, of which only that matters here.
RunSet runs_up_to(std::uint64_t last) {
  auto run = std::make_shared<Run>();
  run->first = Position(1);
  run->last = Position(last);
  return {.generation = 1, .runs = {std::move(run)}};
}

struct KeptLists : ::testing::Test {
  TermListCache cache{1 << 20};
  const TermLists lists{cache, 1};
  engine::Tail tail{{}};

  /// The tail begins after `begin`, and every third event up to `end` has the rare term.
  void fill_tail(std::uint64_t begin, std::uint64_t end) {
    tail.reset(Position(begin));
    for (auto p = begin + 1; p <= end; ++p) {
      const Term term = p % 3 == 0 ? rare : other;
      tail.append(Position(p), std::array{1U}, std::array{term});
    }
  }
  /// Whether memory is enough to list the rare term's positions up to there.
  bool enough_up_to(std::uint64_t last) {
    const auto runs = runs_up_to(last);
    return make_run_source(runs, nullptr, tail, lists, Direction::forwards, true)->list(rare).ok();
  }
  void keep(std::uint64_t reached, std::vector<Position> positions) {
    auto list = std::make_shared<TermList>();
    list->reached = Position(reached);
    list->positions = std::move(positions);
    lists.put(rare, std::move(list), 100);
  }
};

TEST_F(KeptLists, are_enough_when_they_reach_as_far_as_the_runs) {
  fill_tail(10, 20);
  EXPECT_FALSE(enough_up_to(10)) << "nothing is kept of the term yet";
  keep(10, {Position(3)});
  EXPECT_TRUE(enough_up_to(10));
}

TEST_F(KeptLists, are_brought_up_to_newer_runs_by_the_tail) {
  fill_tail(8, 20);
  keep(10, {Position(3), Position(9)});
  ASSERT_TRUE(enough_up_to(16));
  const auto list = lists.find(rare);
  EXPECT_EQ(list->reached, Position(16));
  EXPECT_THAT(list->positions, ElementsAre(Position(3), Position(9), Position(12), Position(15)));
}

TEST_F(KeptLists, are_not_enough_where_the_tail_does_not_hold_what_is_between) {
  fill_tail(12, 20);
  keep(10, {Position(3)});
  EXPECT_FALSE(enough_up_to(16)) << "11 and 12 are not known";
  fill_tail(8, 14);
  EXPECT_FALSE(enough_up_to(16)) << "15 and 16 are not known";
  EXPECT_EQ(lists.find(rare)->reached, Position(10));
}

}  // namespace
}  // namespace weir::sqlite
