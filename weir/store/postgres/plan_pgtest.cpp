#include <gtest/gtest.h>

#include <regex>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>
#include <weir/store/postgres/statements.hpp>

namespace weir::postgres {
namespace {

using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

/// EXPLAIN of a statement, executed, in a session set as those that read.
std::string explain(const std::string& uri, const std::string& statement,
                    const std::string& values) {
  std::string script = fmt::format("PREPARE s AS {};", statement);
  for (const auto* setting :
       {"jit = off", "plan_cache_mode = force_generic_plan", "enable_seqscan = off",
        "enable_hashjoin = off", "enable_mergejoin = off", "enable_bitmapscan = off"}) {
    script += fmt::format("SET {};", setting);
  }
  return run_sql(uri, script +
                          "CREATE TEMP TABLE plan (line text);"
                          "DO $$ DECLARE line text; BEGIN FOR line IN EXECUTE"
                          " 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) EXECUTE s(" +
                          values +
                          ")' LOOP INSERT INTO plan VALUES (line); END LOOP; END $$;"
                          "SELECT string_agg(line, E'\n') FROM plan");
}

/// The most rows that any node of the plan gave, over all its loops.
std::int64_t rows_touched(const std::string& plan) {
  static const std::regex actual("actual rows=([0-9]+) loops=([0-9]+)");
  std::int64_t most = 0;
  for (std::sregex_iterator it(plan.begin(), plan.end(), actual), end; it != end; ++it) {
    most = std::max<std::int64_t>(most, std::stoll((*it)[1]) * std::stoll((*it)[2]));
  }
  return most;
}

void expect_only_indexes(const std::string& plan) {
  EXPECT_EQ(plan.find("Seq Scan on event"), std::string::npos) << plan;
  EXPECT_EQ(plan.find("Seq Scan on term"), std::string::npos) << plan;
  EXPECT_EQ(plan.find("Hash Join"), std::string::npos) << plan;
  EXPECT_EQ(plan.find("Merge"), std::string::npos) << plan;
}

/// The plans must be the same with statistics and without, so each test looks at both.
class Plans : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr int events = 100'000;

  std::string plan_of(const ReadShape& shape, const std::string& values) {
    return explain(read_statement(shape), values);
  }
  std::string explain(const std::string& statement, const std::string& values) {
    return postgres::explain(uri(), statement, values);
  }

  static std::string& uri() {
    static std::string uri = [] {
      auto made = PostgresCluster::shared().new_database();
      auto log = OpenLog::create(made);
      // Terms are made here, with numbers for hashes: 1 is on every event, 2 on every other one,
      // 1000 + n on 25 of them each.
      run_sql(
          made,
          fmt::format(
              "INSERT INTO weir.event (log_id, bytes, position, occurred_at, recorded_at, checksum,"
              " type, tags, data) SELECT 1, 100, n, n, n, 0, 'T', '{{}}', '{{}}'"
              " FROM generate_series(1, {0}) n;"
              "INSERT INTO weir.term SELECT 1, 1, n FROM generate_series(1, {0}) n;"
              "INSERT INTO weir.term SELECT 1, 2, n FROM generate_series(2, {0}, 2) n;"
              "INSERT INTO weir.term SELECT 1, 1000 + n % 4000, n FROM generate_series(1, {0}) n;"
              "UPDATE weir.log SET head = {0}",
              events));
      return made;
    }();
    return uri;
  }

  void SetUp() override {
    if (GetParam()) {
      run_sql(uri(), "VACUUM ANALYZE weir.event");
      run_sql(uri(), "VACUUM ANALYZE weir.term");
    } else {
      run_sql(uri(),
              "DELETE FROM pg_statistic WHERE starelid IN"
              " ('weir.event'::regclass, 'weir.term'::regclass)");
    }
  }
};

TEST_P(Plans, a_rare_term_touches_its_postings_and_their_events_only) {
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    const auto plan = plan_of({.direction = direction, .checks = {0}},
                              "1, 0, 100000, 1000, 1000000, 1000, ''{1007}''");
    expect_only_indexes(plan);
    EXPECT_NE(plan.find("Index Only Scan"), std::string::npos) << plan;
    EXPECT_LE(rows_touched(plan), 25) << plan;
  }
}

TEST_P(Plans, a_check_looks_each_posting_up_rather_than_reading_the_common_term) {
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    const auto plan = plan_of({.direction = direction, .checks = {2, 1}},
                              "1, 0, 100000, 1000, 1000000, 1000, ''{1007}'', ''{1}'', ''{2,3}'',"
                              " ''{1008}'', ''{1}''");
    expect_only_indexes(plan);
    EXPECT_LE(rows_touched(plan), 60) << plan;
  }
}

// An array of terms was once taken for a filter in a young log, where the planner thinks little of
// the difference; each check then went through all of the log's postings.
TEST(PlansOfAYoungLog, look_each_check_up_by_the_whole_key) {
  const auto uri = PostgresCluster::shared().new_database();
  auto log = OpenLog::create(uri);
  run_sql(uri,
          "INSERT INTO weir.term SELECT 1, n % 3, n FROM generate_series(1, 3000) n;"
          "UPDATE weir.log SET head = 3000");
  const auto plan = explain(uri, read_statement({.checks = {1}}),
                            "1, 0, 3000, 100, 1000000, 256, ''{1}'', ''{0,2}''");
  expect_only_indexes(plan);
  const auto check = plan.find("on term f");
  ASSERT_NE(check, std::string::npos) << plan;
  const auto lines = plan.substr(check, 400);
  EXPECT_TRUE(std::regex_search(lines, std::regex("Index Cond: .*log_id.*term.*position"))) << plan;
}

TEST_P(Plans, the_first_of_a_common_term_is_found_without_reading_the_rest) {
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    const auto plan =
        plan_of({.direction = direction, .checks = {0}}, "1, 50, 100000, 1, 1000, 1, ''{1}''");
    expect_only_indexes(plan);
    EXPECT_LE(rows_touched(plan), 2) << plan;
  }
}

TEST_P(Plans, reading_everything_touches_what_it_gives) {
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    const auto look = direction == Direction::forwards ? "70000" : "20000";
    const auto plan =
        plan_of({.direction = direction}, fmt::format("1, 50000, 100000, 100, 1000000, {}", look));
    expect_only_indexes(plan);
    EXPECT_LE(rows_touched(plan), 100) << plan;
  }
}

TEST_P(Plans, a_range_of_time_that_nothing_lies_in_ends_after_its_window) {
  const auto plan = plan_of({.occurred_from = true}, "1, 0, 100000, 100, 1000000, 20000, 999999");
  EXPECT_EQ(plan.find("Seq Scan on event"), std::string::npos) << plan;
  EXPECT_NE(plan.find("Rows Removed by Filter: 20000"), std::string::npos) << plan;
}

TEST_P(Plans, a_probe_touches_a_few_postings_of_each_term) {
  for (const auto direction : {Direction::forwards, Direction::backwards}) {
    const auto plan = explain(probe_statement(direction), "1, 0, 100000, ''{1,2,1007}'', 64");
    expect_only_indexes(plan);
    EXPECT_LE(rows_touched(plan), 3 * 64) << plan;
  }
}

INSTANTIATE_TEST_SUITE_P(Statistics, Plans, ::testing::Bool(),
                         [](const auto& with) { return with.param ? "fresh" : "missing"; });

}  // namespace
}  // namespace weir::postgres
