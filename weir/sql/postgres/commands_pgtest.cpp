#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <future>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <weir/sql/postgres/errors.hpp>
#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

/// A database of their own, so that pg_stat_activity shows nobody else.
class Commands : public ::testing::Test {
 protected:
  std::unique_ptr<Session> connect(ConnectOptions options = {}) {
    options.uri = uri;
    return Session::connect(options, system_clock(), {}).value();
  }
  /// Statements of others that run at this moment and contain the text.
  int running(const std::string& text) const {
    return std::stoi(run_sql(uri,
                             "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                             " AND datname = current_database() AND pid <> pg_backend_pid()"
                             " AND query LIKE '" +
                                 text + "%'"));
  }
  bool stops(const std::string& text) const {
    for (int i = 0; i < 500; ++i) {
      if (running(text) == 0) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  const std::string uri = PostgresCluster::shared().new_database();
};

TEST_F(Commands, that_take_too_long_are_cancelled_and_leave_a_connection_that_can_be_used) {
  const auto session = connect({.command_timeout = 100ms});
  const auto process = session->process();
  for (int i = 0; i < 3; ++i) {
    const auto late = session->execute("SELECT pg_sleep(30)");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::deadline_exceeded);
    EXPECT_NE(late.error().message.find("100 ms (command_timeout)"), std::string::npos);
    EXPECT_FALSE(session->broken());
    EXPECT_EQ(running("SELECT pg_sleep"), 0);
    EXPECT_EQ(session->execute("SELECT 7::int8").value().int8(0, 0), 7);
  }
  EXPECT_EQ(session->process(), process);
}

TEST_F(Commands, that_take_too_long_do_not_carry_out_the_rest_of_their_run) {
  const auto session = connect({.command_timeout = 100ms});
  ASSERT_TRUE(session->run_script("CREATE TABLE t (n int)", {}));
  const Call calls[] = {{.text = "INSERT INTO t VALUES (1)"},
                        {.text = "SELECT pg_sleep(30)"},
                        {.text = "INSERT INTO t VALUES (2)"}};
  EXPECT_FALSE(session->run(calls, {}));
  EXPECT_EQ(session->execute("SELECT count(*) FROM t").value().int8(0, 0), 0);
}

TEST_F(Commands, may_take_as_long_as_they_like_when_the_timeout_is_off) {
  const auto session = connect({.command_timeout = 0ms});
  EXPECT_TRUE(session->execute("SELECT pg_sleep(0.3)"));
}

TEST_F(Commands, of_a_server_that_hangs_break_the_connection_in_time) {
  const auto session = connect({.command_timeout = 100ms, .cancellation_timeout = 200ms});
  const auto process = session->process();
  ASSERT_EQ(kill(process, SIGSTOP), 0);
  const auto began = system_clock().instant();
  const auto late = session->execute("SELECT 1");
  const auto took = system_clock().instant() - began;
  ASSERT_EQ(kill(process, SIGCONT), 0);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  EXPECT_TRUE(session->broken());
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 3s);
}

TEST_F(Commands, are_cancelled_on_the_server_when_their_caller_gives_up) {
  const auto session = connect();
  std::stop_source stop;
  auto slept = std::async(std::launch::async, [&] {
    return session->execute("SELECT pg_sleep(60)", {}, {.stop = stop.get_token()}).error().code;
  });
  while (running("SELECT pg_sleep") == 0) std::this_thread::sleep_for(5ms);
  const auto asked = system_clock().instant();
  stop.request_stop();
  EXPECT_EQ(slept.get(), Code::cancelled);
  EXPECT_LT(system_clock().instant() - asked, 2s) << "the caller waits for the cancellation";
  EXPECT_TRUE(stops("SELECT pg_sleep"));
}

TEST_F(Commands, of_many_callers_who_give_up_at_once_are_all_cancelled) {
  std::stop_source stop;
  std::vector<std::future<Code>> callers;
  for (int i = 0; i < 20; ++i) {
    callers.push_back(std::async(std::launch::async, [&] {
      const auto session = connect();
      return session->execute("SELECT pg_sleep(60)", {}, {.stop = stop.get_token()}).error().code;
    }));
  }
  while (running("SELECT pg_sleep") < 20) std::this_thread::sleep_for(5ms);
  stop.request_stop();
  for (auto& caller : callers) EXPECT_EQ(caller.get(), Code::cancelled);
  EXPECT_TRUE(stops("SELECT pg_sleep"));
}

TEST_F(Commands, that_waited_for_replicas_in_vain_do_not_count_as_done) {
  PostgresCluster cluster({});
  const auto database = cluster.new_database();
  run_sql(database, "CREATE TABLE t (n int)");
  run_sql(database, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  run_sql(database, "SELECT pg_reload_conf()");
  const auto session =
      Session::connect({.uri = database, .command_timeout = 200ms}, system_clock(), {}).value();
  while (session->execute("SHOW synchronous_standby_names").value().bytes(0, 0) != "nobody") {
    std::this_thread::sleep_for(5ms);
  }
  // Cancelled, it is committed here and nowhere else, and the server says so with a warning only.
  // The first may be done before the server has begun to have commits wait.
  auto inserted = session->execute("INSERT INTO t VALUES (1)");
  for (int i = 0; i < 1000 && inserted; ++i) {
    std::this_thread::sleep_for(5ms);
    inserted = session->execute("INSERT INTO t VALUES (1)");
  }
  ASSERT_FALSE(inserted);
  EXPECT_NE(inserted.error().message.find("unknown"), std::string::npos);
  EXPECT_TRUE(session->broken());
}

TEST_F(Commands, tell_whether_they_were_warned_of) {
  const auto session = connect();
  const Call calls[] = {{.text = "SELECT 1"},
                        {.text = "DO $$ BEGIN RAISE WARNING 'beware'; END $$"},
                        {.text = "SELECT 2"},
                        {.text = "DO $$ BEGIN RAISE NOTICE 'by the way'; END $$"}};
  for (int i = 0; i < 3; ++i) {  // as they are prepared, too
    const auto answers = session->run(calls, {}).value();
    EXPECT_FALSE(answers[0].warned());
    EXPECT_TRUE(answers[1].warned());
    EXPECT_FALSE(answers[2].warned());
    EXPECT_FALSE(answers[3].warned());
  }
}

int prepared(Session& session) {
  const Call call{.text = "SELECT count(*) FROM pg_prepared_statements", .prepare = false};
  return static_cast<int>(session.run({&call, 1}, {}).value().front().int8(0, 0));
}

TEST_F(Commands, are_prepared_from_their_second_use_on) {
  const auto session = connect();
  EXPECT_TRUE(session->execute("SELECT 42"));
  EXPECT_EQ(prepared(*session), 0);
  EXPECT_TRUE(session->execute("SELECT 42"));
  EXPECT_EQ(prepared(*session), 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->execute("SELECT 42"));
  EXPECT_EQ(prepared(*session), 1);
}

TEST_F(Commands, give_way_to_those_used_more_recently_among_the_prepared) {
  const auto session = connect({.prepare = {.prepared_max = 3, .prepare_after = 1}});
  for (int i = 0; i < 20; ++i) {
    const auto text = fmt::format("SELECT {}::int8", i);
    for (int use = 0; use < 3; ++use) {
      EXPECT_EQ(session->execute(text).value().int8(0, 0), i);
      EXPECT_LE(prepared(*session), 3);
    }
  }
  EXPECT_EQ(run_sql(uri, "SELECT 1"), "1");
  const auto last = session
                        ->execute(
                            "SELECT count(*) FROM pg_prepared_statements"
                            " WHERE statement = 'SELECT 19::int8'")
                        .value();
  EXPECT_EQ(last.int8(0, 0), 1);
}

TEST_F(Commands, survive_that_a_failed_transaction_kept_one_from_being_dropped) {
  const auto session = connect({.prepare = {.prepared_max = 1, .prepare_after = 1}});
  EXPECT_TRUE(session->execute("SELECT 1::int8"));
  EXPECT_TRUE(session->execute("SELECT 2::int8", {}, {}));
  const Call calls[] = {{.text = "SELECT 1 / 0", .prepare = false}, {.text = "SELECT 2::int8"}};
  EXPECT_FALSE(session->run(calls, {}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(session->execute("SELECT 1::int8").value().int8(0, 0), 1);
    EXPECT_EQ(session->execute("SELECT 2::int8").value().int8(0, 0), 2);
  }
}

TEST_F(Commands, are_never_prepared_when_that_is_off) {
  const auto session = connect({.prepare = {.prepared_max = 0}});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(session->execute("SELECT 42"));
  EXPECT_EQ(prepared(*session), 0);
}

TEST_F(Commands, go_on_unprepared_when_a_table_is_altered_under_them) {
  run_sql(uri, "CREATE TABLE altered (n varchar(9)); INSERT INTO altered VALUES ('7')");
  const auto session = connect();
  const auto text = [&] {
    const auto rows = session->execute("SELECT n FROM altered");
    return rows ? std::string(rows->bytes(0, 0)) : to_string(rows.error());
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text(), "7");
  EXPECT_EQ(prepared(*session), 1);
  run_sql(uri, "ALTER TABLE altered ALTER COLUMN n TYPE text");
  EXPECT_EQ(text(), "7");
  EXPECT_FALSE(session->broken());

  // Where it can't be repeated it may be tried again.
  const auto other = connect();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(other->execute("SELECT n FROM altered"));
  run_sql(uri, "ALTER TABLE altered ALTER COLUMN n TYPE varchar(8)");
  const Call both[] = {{.text = "BEGIN", .prepare = false}, {.text = "SELECT n FROM altered"}};
  const auto failed = other->run(both, {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  ASSERT_TRUE(other->execute("ROLLBACK"));
  EXPECT_TRUE(other->run(both, {}));
}

TEST_F(Commands, that_the_server_does_not_know_leave_what_is_prepared_alone) {
  const auto session = connect();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->execute("SELECT 42::int8"));
  const Call unknown{.text = "DO $$ BEGIN RAISE feature_not_supported; END $$", .prepare = false};
  EXPECT_FALSE(session->run({&unknown, 1}, {}));
  EXPECT_EQ(prepared(*session), 1);
  EXPECT_TRUE(session->execute("SELECT 42::int8"));
  EXPECT_EQ(prepared(*session), 1);
}

TEST_F(Commands, go_on_unprepared_when_a_pooler_changes_the_server_behind_them) {
  const auto session = connect();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->execute("SELECT 42::int8"));
  // As if another server process had taken over the connection.
  const Call forget{.text = "DEALLOCATE ALL", .prepare = false};
  ASSERT_TRUE(session->run({&forget, 1}, {}));
  EXPECT_EQ(session->execute("SELECT 42::int8").value().int8(0, 0), 42);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->execute("SELECT 42::int8"));
  EXPECT_EQ(prepared(*session), 0);
}

TEST_F(Commands, within_a_transaction_are_not_repeated_when_a_pooler_changed_the_server) {
  const auto session = connect();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->execute("SELECT 42::int8"));
  const Call lost[] = {{.text = "DEALLOCATE ALL", .prepare = false},
                       {.text = "BEGIN", .prepare = false}};
  ASSERT_TRUE(session->run(lost, {}));
  EXPECT_TRUE(session->in_transaction());
  const auto failed = session->execute("SELECT 42::int8");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_TRUE(session->execute("ROLLBACK"));
  EXPECT_TRUE(session->execute("SELECT 42::int8"));
}

TEST_F(Commands, that_change_the_session_are_undone_by_a_reset) {
  const auto session = connect({.settings = {{"application_name", "kept"}}});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session->execute("SELECT 42::int8"));
  EXPECT_FALSE(session->changed());
  EXPECT_TRUE(session->execute("SET lock_timeout = 7"));
  EXPECT_TRUE(session->changed());
  ASSERT_TRUE(session->reset({}));
  EXPECT_FALSE(session->changed());
  EXPECT_EQ(prepared(*session), 0);
  EXPECT_EQ(session->execute("SHOW lock_timeout").value().bytes(0, 0), "0");
  EXPECT_EQ(session->execute("SHOW application_name").value().bytes(0, 0), "kept");
  EXPECT_EQ(session->execute("SELECT 42::int8").value().int8(0, 0), 42);
}

TEST_F(Commands, show_by_the_socket_alone_that_the_server_has_gone) {
  const auto session = connect();
  EXPECT_TRUE(session->execute("SELECT 1"));
  EXPECT_FALSE(session->lost());
  run_sql(uri, fmt::format("SELECT pg_terminate_backend({}, 5000)", session->process()));
  EXPECT_TRUE(session->lost());
  EXPECT_TRUE(session->broken());
  EXPECT_TRUE(session->server_left());
}

}  // namespace
}  // namespace weir::postgres
