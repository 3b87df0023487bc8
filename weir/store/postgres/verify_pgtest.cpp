#include <weir/store/postgres/verify.hpp>

#include <gmock/gmock.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>

namespace weir::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using weir::testing_support::OpenLog;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

class Verify : public ::testing::Test {
 protected:
  Verify() {
    const Tracking tracking{.source = "elsewhere", .position = UINT64_MAX};
    log.append(
        {event("A").json("{\"n\":1}").tagged("t", "u").with("k", "v"), event("B").json("{}")},
        {.tracking = &tracking});
    log.append({Event{.type = "Opaque",
                      .data = std::string("\xff\0x", 3),
                      .content_type = "application/octet-stream"}});
    log.append({event("C").json("{}")});
  }

  std::vector<std::string> findings() {
    std::vector<std::string> found;
    const auto verified =
        verify_log(uri, "default", [&](const std::string& what) { found.push_back(what); });
    EXPECT_TRUE(verified) << to_string(verified.error());
    return found;
  }
  void damage(const std::string& sql) { run_sql(uri, sql); }

  const std::string uri = PostgresCluster::shared().new_database();
  OpenLog log = OpenLog::create(uri);
};

TEST_F(Verify, finds_nothing_in_a_whole_log) {
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(Verify, names_each_event_of_which_any_column_was_changed) {
  for (const auto* change :
       {"data = '{\"n\":2}'", "type = 'a'", "tags = '{t}'", "metadata = '{k,w}'",
        "occurred_at = occurred_at + 1", "id = gen_random_uuid()", "tracking_position = 3",
        "content_type = 'text/plain'"}) {
    SCOPED_TRACE(change);
    damage("CREATE TABLE kept AS SELECT * FROM weir.event WHERE position = 1");
    damage(std::string("UPDATE weir.event SET ") + change + " WHERE position = 1");
    EXPECT_THAT(findings(), ElementsAre("event 1: its contents do not match its checksum"));
    damage(
        "DELETE FROM weir.event WHERE position = 1; INSERT INTO weir.event SELECT * FROM kept;"
        " DROP TABLE kept");
  }
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(Verify, names_an_event_that_cannot_be_decoded) {
  damage("UPDATE weir.event SET raw = '\\x0a' WHERE position = 3");
  damage("UPDATE weir.event SET tags = '{{a},{b}}' WHERE position = 1");
  EXPECT_THAT(findings(),
              ElementsAre("event 1: column tags is malformed", "event 3: column raw is malformed"));
}

TEST_F(Verify, names_events_that_are_missing_and_a_head_that_is_not_the_last_event) {
  damage("DELETE FROM weir.event WHERE position = 2");
  EXPECT_THAT(findings(), ElementsAre("event 2 is missing"));
  damage("DELETE FROM weir.event WHERE position = 4");
  EXPECT_THAT(findings(),
              ElementsAre("the log's head is 4, its last event 3", "event 2 is missing"));
}

TEST_F(Verify, says_which_log_is_not_there) {
  const auto verified = verify_log(uri, "none", [](const std::string&) {});
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().reason, Reason::log_not_found);
}

}  // namespace
}  // namespace weir::postgres
