#include <gtest/gtest.h>

#include <weir/sql/postgres/errors.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;

TEST(ServerErrors, say_what_the_caller_should_do) {
  const std::pair<const char*, Code> meanings[] = {
      {"", Code::unavailable},             // the connection failed
      {"08006", Code::unavailable},        // connection failure
      {"57P01", Code::unavailable},        // shut down by an administrator
      {"57P03", Code::unavailable},        // starting up
      {"53300", Code::unavailable},        // too many connections
      {"53100", Code::unavailable},        // disk full
      {"40001", Code::unavailable},        // serialization failure
      {"25006", Code::unavailable},        // a replica
      {"55P03", Code::unavailable},        // lock_timeout
      {"57014", Code::deadline_exceeded},  // statement_timeout
      {"28P01", Code::unavailable},        // wrong password, and not the caller's
      {"42501", Code::unavailable},        // no right to a table
      {"3D000", Code::unavailable},        // no such database
      {"3F000", Code::data_loss},          // the schema was dropped
      {"42P01", Code::data_loss},          // a table was dropped
      {"XX001", Code::data_loss},
      {"42601", Code::internal},     // our syntax
      {"23505", Code::internal},     // a constraint that only we can violate
      {"57P04", Code::unavailable},  // the database was dropped
      {"26000", Code::unavailable},  // a pooler gave us another connection
  };
  for (const auto& [state, code] : meanings) {
    const auto error = error_of(state, "why");
    EXPECT_EQ(error.code, code) << state;
    if (code != Code::unavailable && code != Code::data_loss) continue;
    const auto reason =
        code == Code::data_loss ? Reason::store_damaged : Reason::engine_unavailable;
    EXPECT_EQ(error.reason, reason) << state;
  }
}

TEST(ServerErrors, are_transient_by_one_list) {
  for (const auto* state :
       {"40001", "40P01", "08000", "08001", "08003", "08004", "08006", "53000", "53100", "53200",
        "53300", "53400", "55P03", "57P01", "57P02", "57P03", "57P05", "58000", "58030"}) {
    EXPECT_TRUE(is_transient(state)) << state;
    EXPECT_EQ(error_of(state, "why").code, Code::unavailable) << state;
  }
  for (const auto* state : {"", "23505", "23503", "22012", "25006", "25P02", "28P01", "42601",
                            "42P01", "57014", "57P04", "08007", "40002", "5", "530000", "XX001"}) {
    EXPECT_FALSE(is_transient(state)) << state;
  }
}

TEST(ServerErrors, say_how_long_to_wait_where_that_is_known) {
  EXPECT_EQ(error_of("53300", "sorry, too many clients already").retry_after, 1000ms);
  EXPECT_EQ(error_of("57P03", "the database system is starting up").retry_after, 500ms);
  EXPECT_EQ(error_of("40001", "could not serialize").retry_after, std::nullopt);
}

TEST(ServerErrors, tell_when_the_server_is_no_longer_the_one_to_write_to) {
  for (const auto* state : {"25006", "57P01", "57P02", "57P03"}) {
    EXPECT_TRUE(server_is_leaving(state)) << state;
  }
  for (const auto* state : {"", "57P04", "57014", "53300", "40001"}) {
    EXPECT_FALSE(server_is_leaving(state)) << state;
  }
}

TEST(ServerErrors, carry_the_servers_first_line_and_state) {
  const auto error = error_of("57P01", "terminating connection\nCONTEXT: more");
  EXPECT_EQ(error.message, "PostgreSQL: terminating connection");
  EXPECT_TRUE(has_sqlstate(error, "57P01"));
  EXPECT_FALSE(has_sqlstate(error, "57P02"));
  EXPECT_FALSE(has_sqlstate(error_of("", "x"), ""));
  EXPECT_EQ(sqlstate_of(error), "57P01");
  EXPECT_EQ(sqlstate_of(error_of("", "x")), "");
}

}  // namespace
}  // namespace weir::postgres
