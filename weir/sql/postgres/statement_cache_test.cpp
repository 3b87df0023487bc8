#include <weir/sql/postgres/statement_cache.hpp>

#include <gtest/gtest.h>

namespace weir::postgres {
namespace {

/// A cache and a server that does what it is told.
class PreparedStatements : public ::testing::Test {
 protected:
  StatementCache cache{{.prepared_max = 2, .prepare_after = 2}, "p"};

  /// A run of one statement that goes well; the name under which it was sent.
  std::string run(std::string_view text) {
    const auto way = cache.use(text);
    for (const auto& name : way.drop) cache.dropped(name);
    if (way.prepare) cache.prepared(way.name);
    cache.end_run();
    return way.name;
  }
  void prepare(std::string_view text) {
    run(text);
    ASSERT_NE(run(text), "");
  }
};

TEST_F(PreparedStatements, are_prepared_when_used_for_the_second_time) {
  EXPECT_EQ(run("a"), "");
  const auto way = cache.use("a");
  EXPECT_TRUE(way.prepare);
  EXPECT_NE(way.name, "");
}

TEST_F(PreparedStatements, are_prepared_once) {
  prepare("a");
  const auto again = cache.use("a");
  EXPECT_FALSE(again.prepare);
  EXPECT_NE(again.name, "");
}

TEST_F(PreparedStatements, are_prepared_once_though_used_twice_in_the_run_that_prepares_them) {
  run("a");
  const auto first = cache.use("a");
  const auto second = cache.use("a");
  EXPECT_TRUE(first.prepare);
  EXPECT_FALSE(second.prepare);
  EXPECT_EQ(second.name, first.name);
}

TEST_F(PreparedStatements, are_prepared_anew_under_another_name_when_the_run_failed) {
  run("a");
  const auto first = cache.use("a");
  cache.end_run();  // nothing was confirmed
  const auto second = cache.use("a");
  EXPECT_TRUE(second.prepare);
  EXPECT_NE(second.name, first.name);
}

TEST_F(PreparedStatements, give_way_to_those_used_more_recently) {
  prepare("a");
  prepare("b");
  run("b");
  EXPECT_EQ(run("c"), "");
  const auto way = cache.use("c");
  EXPECT_TRUE(way.prepare);
  ASSERT_EQ(way.drop.size(), 1u);
  cache.dropped(way.drop[0]);
  cache.prepared(way.name);
  cache.end_run();
  EXPECT_EQ(cache.use("a").name, "") << "the one least recently used is gone";
  EXPECT_FALSE(cache.use("b").prepare);
}

TEST_F(PreparedStatements, stay_when_a_drop_was_not_confirmed) {
  prepare("a");
  prepare("b");
  run("c");
  const auto way = cache.use("c");
  ASSERT_EQ(way.drop.size(), 1u);
  cache.end_run();
  const auto again = cache.use("a");
  EXPECT_NE(again.name, "");
  EXPECT_FALSE(again.prepare);
}

TEST_F(PreparedStatements, are_not_used_by_name_after_their_drop_in_the_same_run) {
  prepare("a");
  prepare("b");
  run("c");
  ASSERT_EQ(cache.use("c").drop.size(), 1u);  // of "a"
  EXPECT_EQ(cache.use("a").name, "");
}

TEST_F(PreparedStatements, are_not_prepared_and_dropped_in_turn_when_a_round_has_more_than_fit) {
  int prepared = 0;
  for (int round = 0; round < 10; ++round) {
    for (const auto* text : {"a", "b", "c"}) {
      const auto way = cache.use(text);
      prepared += way.prepare;
      for (const auto& name : way.drop) cache.dropped(name);
      if (way.prepare) cache.prepared(way.name);
      cache.end_run();
    }
  }
  EXPECT_EQ(prepared, 2);
}

TEST_F(PreparedStatements, are_counted_only_so_far_back) {
  run("a");
  for (int i = 0; i < 1000; ++i) run("other " + std::to_string(i));
  EXPECT_EQ(run("a"), "") << "its first use is forgotten";
}

TEST_F(PreparedStatements, are_never_prepared_when_that_is_off) {
  StatementCache off({.prepared_max = 0}, "p");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(off.use("a").name, "");
  prepare("a");
  cache.turn_off();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run("a"), "");
}

TEST_F(PreparedStatements, are_prepared_anew_once_the_server_has_none_any_more) {
  prepare("a");
  cache.forget();
  EXPECT_EQ(run("a"), "");
  EXPECT_TRUE(cache.use("a").prepare);
}

}  // namespace
}  // namespace weir::postgres
