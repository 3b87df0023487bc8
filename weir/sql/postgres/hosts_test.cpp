#include <weir/sql/postgres/hosts.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include <tests/support/temporary_folder.hpp>

namespace weir::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> texts(const std::string& uri, const std::vector<std::string>& more = {}) {
  std::vector<std::string> texts;
  const auto hosts = Hosts::of(uri, more).value();
  for (const auto& host : hosts->all()) texts.push_back(to_string(host));
  return texts;
}

TEST(Hosts, are_those_of_the_uri_and_of_the_list) {
  EXPECT_THAT(texts("postgres://u@db1:6001,db2:6002/weir"), ElementsAre("db1:6001", "db2:6002"));
  EXPECT_THAT(texts("postgres://db1/weir"), ElementsAre("db1:5432"));
  EXPECT_THAT(texts("host=a,b port=7000 dbname=x"), ElementsAre("a:7000", "b:7000"));
  EXPECT_THAT(texts("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2"), ElementsAre("a:1", "b:2"));
  EXPECT_THAT(texts("hostaddr=10.0.0.1,10.0.0.2"), ElementsAre("10.0.0.1:5432", "10.0.0.2:5432"));
  EXPECT_THAT(texts("postgres:///weir"), ElementsAre("localhost:5432"));
  EXPECT_THAT(texts("postgres://db1:6001/weir", {"db2", "db3:6003", "[::1]:6004", "db1:6001"}),
              ElementsAre("db1:6001", "db2:5432", "db3:6003", "[::1]:6004"));
  EXPECT_THAT(texts("postgres://db1/weir", {"db1", "db1:5432"}), ElementsAre("db1:5432"));
}

TEST(Hosts, that_cannot_be_read_are_named) {
  for (const auto* bad : {"", ":5432", "db:", "db:0", "db:65536", "db:x", "[::1", "[::1]5432"}) {
    const auto hosts = Hosts::of("postgres://db1/weir", {bad});
    ASSERT_FALSE(hosts) << bad;
    EXPECT_EQ(hosts.error().details.at("field"), "hosts");
  }
  for (const auto* bad : {"postgres://%zz", "postgres://h/?frob=1", "host=a,b port=1,2,3"}) {
    const auto hosts = Hosts::of(bad);
    ASSERT_FALSE(hosts) << bad;
    EXPECT_EQ(hosts.error().code, Code::invalid_argument);
    EXPECT_EQ(hosts.error().details.at("field"), "store");
  }
}

/// A variable of the environment, while it lives.
struct Variable {
  Variable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_); }
  const char* name_;
};

// Weir took them for a single host, and whichever answered first for the one that takes writes.
TEST(Hosts, are_those_of_libpqs_variables_and_services_where_the_uri_names_none) {
  const testing_support::TemporaryFolder folder;
  std::ofstream(folder.file("services")) << "[pair]\nhost=a,b\nport=6001,6002\n"
                                         << "target_session_attrs=read-write\n";
  const Variable services("PGSERVICEFILE", folder.file("services"));
  EXPECT_THAT(texts("postgres://?service=pair"), ElementsAre("a:6001", "b:6002"));
  const auto missing = Hosts::of("postgres://?service=other");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::invalid_argument);
  EXPECT_THAT(missing.error().message, HasSubstr("other"));
  const Variable host("PGHOST", "c,d"), port("PGPORT", "7001");
  EXPECT_THAT(texts("postgres://u@/weir"), ElementsAre("c:7001", "d:7001"));
  EXPECT_THAT(texts("postgres://u@e/weir"), ElementsAre("e:7001"));
}

TEST(Hosts, of_an_address_that_cannot_be_read_are_refused_without_repeating_it) {
  for (const auto* bad :
       {"postgres://u:s3cr%zzet@h/x", "postgres://u:s3cret/abc@h/x", "postgres://u:s3cret@[h/x",
        "postgres://u:x@s3cret@h/x", "postgres://h/?password=s3cret=x", "postgres://h/x?s3cret=1",
        "postgres://h/x?s3cret", "postgres://u:s3c\"ret%zz@h/x", "postgres://h:s3cret/x",
        "postgres://h/x?target_session_attrs=s3cret", "postgres://u:s3cret@h:99999/x"}) {
    const auto hosts = Hosts::of(bad);
    ASSERT_FALSE(hosts) << bad;
    EXPECT_EQ(hosts.error().code, Code::invalid_argument) << bad;
    EXPECT_THAT(hosts.error().message, Not(HasSubstr("s3c"))) << bad;
    EXPECT_THAT(hosts.error().message, Not(HasSubstr("ret"))) << bad;
  }
}

TEST(Hosts, are_tried_in_the_order_given_until_something_is_known) {
  EXPECT_THAT(Hosts::of("host=a,b,c").value()->order(), ElementsAre(0, 1, 2));
}

TEST(Hosts, are_tried_from_where_the_primary_was_last_found) {
  const auto hosts = Hosts::of("host=a,b,c").value();
  hosts->found_primary(2);
  EXPECT_THAT(hosts->order(), ElementsAre(2, 0, 1));
  hosts->found_primary(1);
  EXPECT_THAT(hosts->order(), ElementsAre(1, 0, 2));
}

TEST(Hosts, that_failed_come_last_and_the_longest_ago_first) {
  const auto hosts = Hosts::of("host=a,b,c").value();
  hosts->found_primary(0);
  hosts->failed(0);
  EXPECT_THAT(hosts->order(), ElementsAre(1, 2, 0));
  hosts->failed(1);
  EXPECT_THAT(hosts->order(), ElementsAre(2, 0, 1));
  hosts->failed(2);
  EXPECT_THAT(hosts->order(), ElementsAre(0, 1, 2));
}

TEST(Hosts, count_how_often_the_primary_was_found_elsewhere) {
  const auto hosts = Hosts::of("host=a,b").value();
  hosts->found_primary(0);
  hosts->failed(0);
  hosts->found_primary(0);
  EXPECT_EQ(hosts->changes(), 0u);
  EXPECT_EQ(hosts->primary(), 0u);
  hosts->found_primary(1);
  EXPECT_EQ(hosts->changes(), 1u);
  EXPECT_EQ(hosts->primary(), 1u);
}

TEST(Hosts, let_no_primary_of_the_past_count_once_a_later_one_has_been_seen) {
  const auto hosts = Hosts::of("host=a,b").value();
  EXPECT_TRUE(hosts->found_primary(0, 3));
  const auto to_old = hosts->replaced(0);
  const auto to_new = hosts->replaced(1);
  EXPECT_TRUE(to_old.stop_possible());
  EXPECT_TRUE(hosts->found_primary(1, 4));
  EXPECT_TRUE(to_old.stop_requested()) << "what is connected to the old one goes on";
  EXPECT_FALSE(to_new.stop_requested());
  EXPECT_FALSE(hosts->found_primary(0, 3));
  EXPECT_EQ(hosts->primary(), 1u);
  // It has caught up, and is promoted in its turn.
  const auto back = hosts->replaced(0);
  EXPECT_FALSE(back.stop_requested());
  EXPECT_TRUE(hosts->found_primary(0, 5));
  EXPECT_TRUE(to_new.stop_requested());
  EXPECT_FALSE(back.stop_requested());
  EXPECT_EQ(hosts->changes(), 2u);
}

TEST(Hosts, count_a_later_timeline_at_the_same_place_as_a_change) {
  const auto hosts = Hosts::of("host=a,b").value();
  const auto to_old = hosts->found_primary(0, 3).value();
  hosts->found_primary(0, 3);
  EXPECT_EQ(hosts->changes(), 0u);
  EXPECT_FALSE(to_old.stop_requested());
  const auto to_new = hosts->found_primary(0, 4).value();  // its name leads elsewhere now
  EXPECT_EQ(hosts->changes(), 1u);
  EXPECT_TRUE(to_old.stop_requested());
  EXPECT_FALSE(to_new.stop_requested());
  EXPECT_EQ(hosts->timeline(), 4u);
}

TEST(Hosts, that_only_watchers_see_make_a_difference_when_their_timeline_is_later) {
  const auto hosts = Hosts::of("host=a,b").value();
  EXPECT_TRUE(hosts->found_primary(0, 3));
  const auto connected = hosts->replaced(0);
  hosts->saw_primary(1, 3);  // the same server by another name, for all one knows
  EXPECT_EQ(hosts->primary(), 0u);
  EXPECT_FALSE(connected.stop_requested());
  hosts->saw_primary(1, 4);
  EXPECT_EQ(hosts->primary(), 1u);
  EXPECT_EQ(hosts->order().front(), 1u);
  EXPECT_TRUE(connected.stop_requested());
}

TEST(Hosts, of_whom_there_is_one_are_never_replaced) {
  const auto hosts = Hosts::of("host=a").value();
  EXPECT_FALSE(hosts->replaced(0).stop_possible());
  EXPECT_TRUE(hosts->found_primary(0));
  EXPECT_TRUE(hosts->found_primary(0));
}

}  // namespace
}  // namespace weir::postgres
