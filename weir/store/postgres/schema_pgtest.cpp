#include <gtest/gtest.h>

#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/postgres_log.hpp>
#include <weir/store/postgres/schema.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

TEST(Schema, is_made_once_by_processes_that_start_together) {
  const auto uri = PostgresCluster::shared().new_database();
  std::vector<std::thread> threads;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto database = Database::open(uri, {}, system_clock());
      EXPECT_TRUE(database) << database.error().message;
      if (database && (*database)->create("default", {}, {})) ++opened;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(opened, 8);
  EXPECT_EQ(run_sql(uri, "SELECT count(*) FROM weir.schema_version"),
            std::to_string(schema_version()));
  EXPECT_EQ(run_sql(uri, "SELECT count(*) FROM weir.log"), "1");
}

TEST(Schema, that_is_newer_is_refused) {
  const auto uri = PostgresCluster::shared().new_database();
  ASSERT_TRUE(Database::open(uri, {}, system_clock()));
  run_sql(uri, fmt::format("INSERT INTO weir.schema_version VALUES ({})", schema_version() + 1));
  const auto database = Database::open(uri, {}, system_clock());
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, Code::failed_precondition);
  EXPECT_EQ(database.error().reason, Reason::schema_too_new);
  EXPECT_NE(database.error().message.find(fmt::format("version {}", schema_version() + 1)),
            std::string::npos);
}

TEST(Schema, is_all_there_or_not_at_all) {
  const auto uri = PostgresCluster::shared().new_database();
  // One object of the migration is in the way.
  run_sql(uri, "CREATE SCHEMA weir; CREATE TABLE weir.snapshot (x int)");
  EXPECT_FALSE(Database::open(uri, {}, system_clock()));
  EXPECT_EQ(run_sql(uri, "SELECT to_regclass('weir.event') IS NULL"), "t");
  run_sql(uri, "DROP TABLE weir.snapshot");
  EXPECT_TRUE(Database::open(uri, {}, system_clock()));
}

TEST(Schema, a_database_of_another_encoding_is_refused) {
  const auto uri = PostgresCluster::shared().new_database();
  const auto name = uri.substr(uri.rfind('/') + 1) + "_latin1";
  run_sql(uri, "CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
  const auto database = Database::open(uri + "_latin1", {}, system_clock());
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, Code::failed_precondition);
  EXPECT_NE(database.error().message.find("UTF8"), std::string::npos);
}

TEST(Schema, is_not_made_by_whoever_only_reads) {
  const auto uri = PostgresCluster::shared().new_database();
  const auto threads = std::make_shared<engine::Threads>();
  const auto refused = Store::open({.uri = uri, .create = false}, threads);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::not_found);
  EXPECT_EQ(run_sql(uri, "SELECT to_regnamespace('weir') IS NULL"), "t");
  ASSERT_TRUE(Store::open({.uri = uri}, threads));
  EXPECT_TRUE(Store::open({.uri = uri, .create = false}, threads));
}

// It tried to make the log "default" although that was there.
TEST(Schema, that_is_there_with_its_log_can_be_used_by_a_role_that_only_reads) {
  const auto uri = PostgresCluster::shared().new_database();
  const auto threads = std::make_shared<engine::Threads>();
  {
    const auto store = Store::open({.uri = uri}, threads).value();
    const auto log = store->open("default", {}).value();
    ASSERT_TRUE(log->append({.events = {event("T").json("{}")}}));
  }
  run_sql(uri,
          "DROP ROLE IF EXISTS looker; CREATE ROLE looker LOGIN; GRANT USAGE ON SCHEMA weir TO "
          "looker; GRANT SELECT ON ALL TABLES IN SCHEMA weir TO looker");
  const auto as_looker = "postgres://looker" + uri.substr(uri.find('@'));
  const auto store = Store::open({.uri = as_looker}, threads);
  const auto read = [&]() -> Result<std::size_t> {
    WEIR_TRY_ASSIGN(opened, std::move(store));
    WEIR_TRY_ASSIGN(log, opened->open("default", {}));
    WEIR_TRY_ASSIGN(step, log->read_step({}));
    EXPECT_EQ(log->append({.events = {event("T").json("{}")}}).error().code, Code::unavailable);
    return step.batch.size();
  }();
  run_sql(uri, "DROP OWNED BY looker; DROP ROLE looker");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, 1u);
}

TEST(Schema, is_waited_for_no_longer_than_opening_may_take) {
  const auto uri = PostgresCluster::shared().new_database();
  const auto holding = Session::connect({.uri = uri}, system_clock(), {}).value();
  ASSERT_TRUE(holding->execute("SELECT pg_advisory_lock(2003134834)"));
  const auto began = system_clock().instant();
  const auto database =
      Database::open(uri, {.open_time_max = std::chrono::milliseconds(300)}, system_clock());
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().code, Code::deadline_exceeded);
  EXPECT_LT(system_clock().instant() - began, std::chrono::seconds(10));
}

TEST(Logs, are_made_with_their_options_and_listed) {
  const auto uri = PostgresCluster::shared().new_database();
  const auto database = Database::open(uri, {}, system_clock()).value();
  EXPECT_TRUE(database->create("orders", {.indexed_keys = {"customer"}}, {}));
  EXPECT_TRUE(database->create("orders", {.indexed_keys = {"customer"}}, {}));
  const auto other = database->create("orders", {}, {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::already_exists);
  EXPECT_EQ(other.error().reason, Reason::log_exists);
  EXPECT_TRUE(database->create("default", {}, {}));
  const auto logs = database->list({}).value();
  ASSERT_EQ(logs.size(), 2u);
  EXPECT_EQ(logs[0].name, "default");
  EXPECT_EQ(logs[1].name, "orders");
  EXPECT_EQ(logs[1].options.indexed_keys, std::vector<std::string>{"customer"});
}

TEST(Logs, that_do_not_exist_are_not_found) {
  const auto database =
      Database::open(PostgresCluster::shared().new_database(), {}, system_clock()).value();
  const auto opened = database->open_log("nowhere", {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::not_found);
  EXPECT_EQ(opened.error().reason, Reason::log_not_found);
}

TEST(Logs, keep_their_events_apart) {
  const auto uri = PostgresCluster::shared().new_database();
  auto log = weir::testing_support::OpenLog::create(uri);
  ASSERT_TRUE(log.database->create("other", {}, {}));
  log.append({event("T").json("{}").tagged("t")});
  const auto other = log.database->open_log("other", {}).value().backend;
  EXPECT_EQ(other->head({}).value(), Position());
  EXPECT_TRUE(other->read_step({.query = Query{}.tagged("t")}).value().batch.empty());
}

}  // namespace
}  // namespace weir::postgres
