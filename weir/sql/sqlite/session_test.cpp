#include <gtest/gtest.h>

#include <filesystem>

#include <sqlite3.h>

#include <weir/sql/sqlite/session.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

/// Two connections to one file, as of two processes, and something in its write-ahead log.
struct Checkpoints : ::testing::Test {
  testing_support::TemporaryFolder folder;
  const std::string path = folder.file("log.db");
  Session session = open(), other = open();

  Checkpoints() { EXPECT_TRUE(session.execute("INSERT INTO thing VALUES (1)")); }

  Session open() const {
    auto opened =
        Session::open({.path = path, .create = true, .busy_timeout = std::chrono::milliseconds(1)});
    EXPECT_TRUE(opened->execute("PRAGMA journal_mode=WAL"));
    EXPECT_TRUE(opened->execute("CREATE TABLE IF NOT EXISTS thing (number INTEGER)"));
    return std::move(opened).value();
  }
  /// What the file holds without the write-ahead log beside it.
  std::int64_t things_in_file_alone() const {
    const auto copy = folder.file("copy.db");
    std::filesystem::copy_file(path, copy);
    auto copied = Session::open({.path = copy}).value();
    return copied.query_integer("SELECT count(*) FROM thing").value();
  }
};

TEST_F(Checkpoints, say_so_while_another_connection_is_at_one) {
  constexpr int checkpoint_lock = 1;  // sqlite.org/walformat.html, section 2.3
  ASSERT_TRUE(other.query_integer("SELECT count(*) FROM thing"));
  auto* file = other.file().value();
  const auto lock = [&](int how) {
    return file->pMethods->xShmLock(file, checkpoint_lock, 1, how | SQLITE_SHM_EXCLUSIVE);
  };
  ASSERT_EQ(lock(SQLITE_SHM_LOCK), SQLITE_OK);
  const auto checkpoint = session.checkpoint().value();
  EXPECT_TRUE(checkpoint.busy);
  EXPECT_FALSE(checkpoint.whole());
  EXPECT_EQ(session.checkpoint_whole().error().code, Code::unavailable);
  ASSERT_EQ(lock(SQLITE_SHM_UNLOCK), SQLITE_OK);
  EXPECT_TRUE(session.checkpoint()->whole());
}

TEST_F(Checkpoints, are_not_whole_while_a_reader_needs_the_file_as_it_was) {
  ASSERT_TRUE(other.execute("BEGIN"));
  ASSERT_EQ(other.query_integer("SELECT count(*) FROM thing").value(), 1);
  ASSERT_TRUE(session.execute("INSERT INTO thing VALUES (2)"));
  const auto checkpoint = session.checkpoint().value();
  EXPECT_FALSE(checkpoint.busy);
  EXPECT_FALSE(checkpoint.whole());
  EXPECT_EQ(session.checkpoint_whole().error().code, Code::unavailable);
  ASSERT_TRUE(other.execute("COMMIT"));
  ASSERT_TRUE(session.checkpoint_whole());
  EXPECT_EQ(things_in_file_alone(), 2);
}

}  // namespace
}  // namespace weir::sqlite
