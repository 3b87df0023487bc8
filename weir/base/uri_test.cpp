#include <weir/base/uri.hpp>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Password, is_taken_out_of_a_uri_wherever_it_stands) {
  EXPECT_EQ(without_password("postgres://a:b@c/d"), "postgres://a:***@c/d");
  EXPECT_EQ(without_password("postgres://a:b@x@c/d"), "postgres://a:***@c/d");
  EXPECT_EQ(without_password("postgres://a:b/x?y@c/d"), "postgres://a:***@c/d");
  EXPECT_EQ(without_password("postgres://a@c:5432/d"), "postgres://a@c:5432/d");
  EXPECT_EQ(without_password("postgres://c/d?password=p"), "postgres://c/d?password=***");
  EXPECT_EQ(without_password("http://a:b@c:4317"), "http://a:***@c:4317");
  EXPECT_EQ(without_password("sqlite:a.db"), "sqlite:a.db");
}

}  // namespace
}  // namespace weir
