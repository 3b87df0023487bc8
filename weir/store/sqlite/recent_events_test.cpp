#include <weir/store/sqlite/recent_events.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace weir::sqlite {
namespace {

constexpr auto chunk = RecentEvents::chunk_bytes;

std::string found(const RecentEvents& events, std::uint64_t file, std::uint64_t position) {
  std::string_view message;
  RecentEvents::Held held;
  const Position wanted(position);
  events.find(file, {&wanted, 1}, {&message, 1}, {&held, 1});
  return std::string(message);
}

TEST(RecentEvents, gives_what_was_put_in_by_file_and_position) {
  RecentEvents events(4 * chunk);
  events.put(1, Position(7), "seven");
  events.put(1, Position(8), "eight");
  events.put(2, Position(8), "another file's");
  EXPECT_EQ(found(events, 1, 7), "seven");
  EXPECT_EQ(found(events, 1, 8), "eight");
  EXPECT_EQ(found(events, 2, 8), "another file's");
  EXPECT_EQ(found(events, 1, 6), "");
  EXPECT_EQ(found(events, 1, 9), "");
  EXPECT_EQ(found(events, 3, 7), "");
}

TEST(RecentEvents, finds_several_side_by_side) {
  RecentEvents events(4 * chunk);
  const std::string large(chunk - 3, 'x');
  events.put(1, Position(1), "one");
  events.put(1, Position(2), large);  // fills the chunk
  events.put(1, Position(3), "three");
  events.put(1, Position(9), "nine");
  const std::array wanted{Position(3), Position(1), Position(7), Position(2), Position(9)};
  std::array<std::string_view, 5> messages;
  std::array<RecentEvents::Held, 5> held;
  events.find(1, wanted, messages, held);
  EXPECT_EQ(messages, (std::array<std::string_view, 5>{"three", "one", "", large, "nine"}));
  EXPECT_EQ(held[2], nullptr);
  EXPECT_EQ(held[1], held[3]) << "they lie together";
}

TEST(RecentEvents, has_gaps_where_other_processes_appended) {
  RecentEvents events(4 * chunk);
  events.put(1, Position(1), "one");
  events.put(1, Position(5), "five");
  EXPECT_EQ(found(events, 1, 1), "one");
  EXPECT_EQ(found(events, 1, 3), "");
  EXPECT_EQ(found(events, 1, 5), "five");
}

TEST(RecentEvents, gives_those_that_lie_together_in_either_direction) {
  RecentEvents events(4 * chunk);
  for (std::uint64_t i = 11; i <= 14; ++i) events.put(1, Position(i), std::to_string(i));
  events.put(1, Position(21), "21");

  RecentEvents::Held held;
  std::array<std::string_view, 3> out;
  const auto some = [&](std::uint64_t position, Direction direction) {
    const auto count = events.find_some(1, Position(position), direction, out, held);
    return std::vector<std::string_view>(out.begin(), out.begin() + count);
  };
  using List = std::vector<std::string_view>;
  EXPECT_EQ(some(11, Direction::forwards), (List{"11", "12", "13"}));
  EXPECT_EQ(some(13, Direction::forwards), (List{"13", "14"}));
  EXPECT_EQ(some(15, Direction::forwards), List());
  EXPECT_EQ(some(14, Direction::backwards), (List{"14", "13", "12"}));
  EXPECT_EQ(some(12, Direction::backwards), (List{"12", "11"}));
  EXPECT_EQ(some(10, Direction::backwards), List());
}

TEST(RecentEvents, knows_where_the_next_lies) {
  RecentEvents events(4 * chunk);
  for (const auto i : {11, 12, 21, 22}) events.put(1, Position(i), "x");
  const auto nearest = [&](std::uint64_t position, Direction direction) {
    return events.nearest(1, Position(position), direction).value_or(Position()).value;
  };
  EXPECT_EQ(nearest(1, Direction::forwards), 11);
  EXPECT_EQ(nearest(12, Direction::forwards), 12);
  EXPECT_EQ(nearest(13, Direction::forwards), 21);
  EXPECT_EQ(nearest(23, Direction::forwards), 0);
  EXPECT_EQ(nearest(30, Direction::backwards), 22);
  EXPECT_EQ(nearest(21, Direction::backwards), 21);
  EXPECT_EQ(nearest(20, Direction::backwards), 12);
  EXPECT_EQ(nearest(10, Direction::backwards), 0);
  EXPECT_EQ(events.nearest(2, Position(11), Direction::forwards), std::nullopt);
}

TEST(RecentEvents, lets_the_oldest_go_and_keeps_within_its_bound) {
  RecentEvents events(2 * chunk);
  const auto text = [](std::uint64_t i) { return std::to_string(i) + std::string(chunk / 4, '.'); };
  for (std::uint64_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(events.has_room(), i <= 2) << i;
    events.put(i % 2, Position(i), text(i));
  }
  EXPECT_EQ(found(events, 1, 1), "");
  EXPECT_EQ(found(events, 0, 96), "");
  EXPECT_EQ(found(events, 1, 99), text(99));
  EXPECT_EQ(found(events, 0, 100), text(100));
}

TEST(RecentEvents, keeps_what_somebody_holds_although_it_has_gone) {
  RecentEvents events(chunk);
  events.put(1, Position(1), "held");
  RecentEvents::Held held;
  std::string_view message;
  const Position wanted(1);
  events.find(1, {&wanted, 1}, {&message, 1}, {&held, 1});
  const std::string large(chunk, 'x');
  for (std::uint64_t i = 2; i < 6; ++i) events.put(1, Position(i), large);
  EXPECT_EQ(found(events, 1, 1), "");
  EXPECT_EQ(message, "held");
}

TEST(RecentEvents, begins_afresh_when_positions_go_back) {
  RecentEvents events(4 * chunk);
  events.put(1, Position(1), "of a log");
  events.put(1, Position(2), "of a log");
  events.put(1, Position(2), "of its copy");
  EXPECT_EQ(found(events, 1, 1), "");
  EXPECT_EQ(found(events, 1, 2), "of its copy");
}

TEST(RecentEvents, forgets_one_file_and_not_the_others) {
  RecentEvents events(4 * chunk);
  events.put(1, Position(1), "first");
  events.put(2, Position(1), "second");
  events.forget(1);
  EXPECT_EQ(found(events, 1, 1), "");
  EXPECT_EQ(found(events, 2, 1), "second");
  events.put(1, Position(1), "again");
  EXPECT_EQ(found(events, 1, 1), "again");
}

TEST(RecentEvents, keeps_nothing_that_is_larger_than_it) {
  RecentEvents none(chunk - 1), some(chunk);
  none.put(1, Position(1), "x");
  some.put(1, Position(1), std::string(chunk + 1, 'x'));
  EXPECT_EQ(found(none, 1, 1), "");
  EXPECT_EQ(found(some, 1, 1), "");
  EXPECT_FALSE(none.has_room());
}

}  // namespace
}  // namespace weir::sqlite
