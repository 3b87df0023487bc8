#include <gtest/gtest.h>

#include <weir/sql/report/statement.hpp>

namespace weir::sql {
namespace {

/// "SELECT:event".
std::string said(std::string_view text) {
  const auto name = statement_name(text);
  return name.operation + ":" + name.collection;
}

TEST(StatementName, is_the_operation_and_the_table) {
  EXPECT_EQ(said("SELECT max(position) FROM event"), "SELECT:event");
  EXPECT_EQ(said("insert or replace into tracking VALUES (?, ?)"), "INSERT:tracking");
  EXPECT_EQ(said("UPDATE meta SET value = value + 1"), "UPDATE:meta");
  EXPECT_EQ(said("DELETE FROM run WHERE id = ?"), "DELETE:run");
  EXPECT_EQ(said("INSERT INTO snapshot VALUES (?1) ON CONFLICT (projection) DO UPDATE "
                 "SET position = ?3 RETURNING position"),
            "INSERT:snapshot");
}

TEST(StatementName, has_no_table_where_there_is_none) {
  EXPECT_EQ(said("BEGIN IMMEDIATE"), "BEGIN:");
  EXPECT_EQ(said("COMMIT"), "COMMIT:");
  EXPECT_EQ(said("SELECT 1"), "SELECT:");
  EXPECT_EQ(said("SELECT * FROM unnest($1::int8[])"), "SELECT:");
  EXPECT_EQ(said(""), ":");
}

TEST(StatementName, has_no_table_where_there_are_several) {
  EXPECT_EQ(said("SELECT * FROM event JOIN term ON true"), "SELECT:");
  EXPECT_EQ(said("SELECT * FROM event, term"), "SELECT:");
  EXPECT_EQ(said("INSERT INTO a SELECT x FROM b"), "INSERT:");
  EXPECT_EQ(said("WITH a AS (DELETE FROM b) SELECT x FROM a"), "WITH:");
}

TEST(StatementName, knows_a_table_that_is_named_twice_or_with_its_schema) {
  EXPECT_EQ(said("DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency)"),
            "DELETE:idempotency");
  EXPECT_EQ(said("SELECT head FROM weir.log WHERE name = $1"), "SELECT:log");
}

TEST(StatementName, takes_no_lock_and_no_function_for_a_table) {
  EXPECT_EQ(said("SELECT head FROM weir.log WHERE id = $1 FOR UPDATE"), "SELECT:log");
  EXPECT_EQ(said("INSERT INTO weir.event (log_id) SELECT $1 FROM unnest($2)"), "INSERT:event");
}

TEST(StatementName, is_not_misled_by_comments_and_texts) {
  EXPECT_EQ(said("-- from here\n/* insert into b */ SELECT 'from x', y FROM event"),
            "SELECT:event");
  EXPECT_EQ(said("SELECT 'not ended FROM event"), "SELECT:");
}

}  // namespace
}  // namespace weir::sql
