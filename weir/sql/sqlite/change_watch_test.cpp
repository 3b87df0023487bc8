#include <gtest/gtest.h>

#include <weir/sql/sqlite/change_watch.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

struct Watching : ::testing::Test {
  testing_support::TemporaryFolder folder;
  const std::string path = folder.file("watched.db");
  Session session = open();
  std::unique_ptr<ChangeWatch> watch = ChangeWatch::open({.path = path}).value();

  Session open() const {
    auto opened = Session::open({.path = path, .create = true}).value();
    EXPECT_TRUE(opened.execute("PRAGMA journal_mode=WAL"));
    EXPECT_TRUE(opened.execute("CREATE TABLE IF NOT EXISTS thing (number INTEGER)"));
    return opened;
  }
};

TEST_F(Watching, sees_nothing_when_nothing_is_committed) {
  const auto before = watch->state();
  ASSERT_TRUE(before);
  EXPECT_TRUE(session.query_integer("SELECT count(*) FROM thing"));
  EXPECT_TRUE(session.execute("BEGIN IMMEDIATE; INSERT INTO thing VALUES (1); ROLLBACK"));
  EXPECT_EQ(watch->state(), before);
}

TEST_F(Watching, counts_one_for_every_commit_of_any_connection) {
  auto other = open();
  const auto before = watch->state();
  ASSERT_TRUE(before);
  ASSERT_TRUE(session.execute("INSERT INTO thing VALUES (1)"));
  const auto once = watch->state();
  ASSERT_TRUE(
      other.execute("BEGIN; INSERT INTO thing VALUES (2); INSERT INTO thing VALUES (3); "
                    "COMMIT"));
  const auto twice = watch->state();
  ASSERT_TRUE(once && twice);
  EXPECT_NE(before, once);
  EXPECT_EQ(once->commits(), before->commits() + 1);
  EXPECT_EQ(twice->commits(), before->commits() + 2);
}

TEST_F(Watching, sees_a_commit_only_when_it_is_over) {
  const auto before = watch->state();
  ASSERT_TRUE(session.execute("BEGIN IMMEDIATE; INSERT INTO thing VALUES (1)"));
  EXPECT_EQ(watch->state(), before);
  ASSERT_TRUE(session.execute("COMMIT"));
  EXPECT_NE(watch->state(), before);
}

TEST_F(Watching, counts_on_when_the_log_begins_anew_after_a_checkpoint) {
  ASSERT_TRUE(session.execute("INSERT INTO thing VALUES (1)"));
  const auto before = watch->state();
  ASSERT_TRUE(session.checkpoint()->whole());
  EXPECT_EQ(watch->state(), before);
  ASSERT_TRUE(session.execute("INSERT INTO thing VALUES (2)"));
  const auto after = watch->state();
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->commits(), before->commits() + 1);
}

TEST_F(Watching, outlives_the_other_connections) {
  ASSERT_TRUE(session.execute("INSERT INTO thing VALUES (1)"));
  const auto before = watch->state();
  { const auto gone = std::move(session); }
  EXPECT_EQ(watch->state(), before);
  EXPECT_TRUE(open().execute("INSERT INTO thing VALUES (2)"));
  EXPECT_NE(watch->state(), before);
}

TEST(ChangeWatch, is_not_there_for_a_database_without_a_write_ahead_log) {
  const testing_support::TemporaryFolder folder;
  const auto path = folder.file("plain.db");
  ASSERT_TRUE(Session::open({.path = path, .create = true})
                  .value()
                  .execute("CREATE TABLE thing (number INTEGER)"));
  EXPECT_EQ(ChangeWatch::open({.path = path}).value(), nullptr);
}

}  // namespace
}  // namespace weir::sqlite
