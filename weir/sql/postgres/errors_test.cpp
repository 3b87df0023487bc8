#include <gtest/gtest.h>

#include <weir/sql/postgres/errors.hpp>

namespace weir::postgres {
namespace {

TEST(ServerErrors, say_what_the_caller_should_do) {
  const std::pair<const char*, Code> meanings[] = {
      {"", Code::unavailable},                // the connection failed
      {"08006", Code::unavailable},           // connection failure
      {"57P01", Code::unavailable},           // shut down by an administrator
      {"57P03", Code::unavailable},           // starting up
      {"53300", Code::unavailable},           // too many connections
      {"53100", Code::unavailable},           // disk full
      {"40001", Code::unavailable},           // serialization failure
      {"25006", Code::unavailable},           // a replica
      {"55P03", Code::deadline_exceeded},     // lock_timeout
      {"57014", Code::deadline_exceeded},     // statement_timeout
      {"28P01", Code::unauthenticated},       // wrong password
      {"42501", Code::permission_denied},
      {"3D000", Code::failed_precondition},   // no such database
      {"XX001", Code::data_loss},
      {"42601", Code::internal},              // our syntax
  };
  for (const auto& [state, code] : meanings) {
    EXPECT_EQ(error_of(state, "why").code, code) << state;
  }
}

TEST(ServerErrors, carry_the_servers_first_line_and_state) {
  const auto error = error_of("57P01", "terminating connection\nCONTEXT: more");
  EXPECT_EQ(error.message, "PostgreSQL: terminating connection");
  EXPECT_TRUE(has_sqlstate(error, "57P01"));
  EXPECT_FALSE(has_sqlstate(error, "57P02"));
  EXPECT_FALSE(has_sqlstate(error_of("", "x"), ""));
}

}  // namespace
}  // namespace weir::postgres
