#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include <tests/support/cut_proxy.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/sql/postgres/errors.hpp>
#include <weir/sql/postgres/pool.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

const std::string& database() {
  static const std::string uri = PostgresCluster::shared().new_database();
  return uri;
}

std::unique_ptr<Session> connect() {
  return Session::connect({.uri = database()}, system_clock(), {}).value();
}

Patience within(std::chrono::milliseconds time) {
  return {.deadline = system_clock().instant() + time};
}

TEST(Session, gives_back_values_of_every_type_it_sends) {
  const auto session = connect();
  Params params;
  const auto uuid = make_uuid_of("x");
  params.add(std::int64_t{-5}).add(std::string_view("d\xC3\xBCne")).add(uuid).add_int4(7);
  params.add_bytea(std::string_view("\0\xff", 2));
  params.begin_array(Oid::text, 3);
  params.element(std::string_view("a,\"b\""));
  params.null();
  params.element(std::string_view());
  params.begin_array(Oid::int8, 0);
  const auto rows =
      session->execute("SELECT $1, $2, $3, $4, $5, $6, $7, NULL::text, $4 = 7", params).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.int8(0, 0), -5);
  EXPECT_EQ(rows.bytes(0, 1), "d\xC3\xBCne");
  EXPECT_EQ(rows.uuid(0, 2), uuid);
  EXPECT_EQ(rows.int4(0, 3), 7);
  EXPECT_EQ(rows.bytes(0, 4), std::string_view("\0\xff", 2));
  std::vector<std::string_view> elements;
  ASSERT_TRUE(rows.array(0, 5, elements));
  EXPECT_EQ(elements, (std::vector<std::string_view>{"a,\"b\"", "", ""}));
  ASSERT_TRUE(rows.array(0, 6, elements));
  EXPECT_TRUE(elements.empty());
  EXPECT_TRUE(rows.is_null(0, 7));
  EXPECT_TRUE(rows.boolean(0, 8));
}

TEST(Session, says_that_an_address_cannot_be_read) {
  for (const auto* uri : {"postgres://%zz", "postgres://h/?frob=1"}) {
    const auto session = Session::connect({.uri = uri}, system_clock(), {});
    ASSERT_FALSE(session);
    EXPECT_EQ(session.error().code, Code::invalid_argument) << uri;
  }
}

TEST(Session, prepares_a_statement_once) {
  const auto session = connect();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(session->execute("SELECT 42::int8"));
  const auto rows = session
                        ->execute(
                            "SELECT count(*) FROM pg_prepared_statements WHERE statement = "
                            "'SELECT 42::int8'")
                        .value();
  EXPECT_EQ(rows.int8(0, 0), 1);
}

TEST(Session, goes_on_after_more_statements_than_it_keeps_prepared) {
  const auto session = connect();
  for (int i = 0; i < 300; ++i) {
    const auto text = "SELECT " + std::to_string(i) + "::int8";
    EXPECT_EQ(session->execute(text).value().int8(0, 0), i);
  }
  EXPECT_EQ(
      session->execute("SELECT count(*) <= 128 FROM pg_prepared_statements").value().boolean(0, 0),
      true);
}

TEST(Session, ends_a_run_at_the_first_error_and_undoes_it) {
  const auto session = connect();
  ASSERT_TRUE(session->run_script("CREATE TABLE t1 (n int)", {}));
  const Call calls[] = {{.text = "INSERT INTO t1 VALUES (1)"},
                        {.text = "SELECT 1 / 0"},
                        {.text = "INSERT INTO t1 VALUES (2)"}};
  const auto answers = session->run(calls, {});
  ASSERT_FALSE(answers);
  EXPECT_TRUE(has_sqlstate(answers.error(), "22012"));
  EXPECT_FALSE(session->broken());
  EXPECT_EQ(session->execute("SELECT count(*) FROM t1").value().int8(0, 0), 0);
}

TEST(Session, prepares_anew_what_an_error_kept_from_being_prepared) {
  const auto session = connect();
  const Call calls[] = {{.text = "SELECT 1 / 0"}, {.text = "SELECT 3::int8"}};
  ASSERT_FALSE(session->run(calls, {}));
  EXPECT_EQ(session->execute("SELECT 3::int8").value().int8(0, 0), 3);
}

TEST(Session, sends_and_receives_more_than_the_sockets_hold) {
  const auto session = connect();
  const std::string large(20 << 20, 'x');
  Params params;
  params.add(std::string_view(large));
  const auto rows = session->execute("SELECT $1 || 'y'", params).value();
  EXPECT_EQ(rows.bytes(0, 0), large + "y");
}

TEST(Session, cancels_a_statement_at_the_deadline) {
  const auto session = connect();
  const auto begin = system_clock().instant();
  const auto slept = session->execute("SELECT pg_sleep(30)", {}, within(100ms));
  ASSERT_FALSE(slept);
  EXPECT_EQ(slept.error().code, Code::deadline_exceeded);
  EXPECT_LT(system_clock().instant() - begin, 5s);
  EXPECT_TRUE(session->broken());
  for (int i = 0; i < 200; ++i) {
    if (run_sql(database(),
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND"
                " query LIKE 'SELECT pg_sleep%'") == "0")
      return;
    std::this_thread::sleep_for(10ms);
  }
  ADD_FAILURE() << "the statement still runs";
}

TEST(Session, cancels_a_statement_when_the_caller_gives_up) {
  const auto session = connect();
  std::stop_source stop;
  auto slept = std::async(std::launch::async, [&] {
    return session->execute("SELECT pg_sleep(30)", {}, {.stop = stop.get_token()});
  });
  EXPECT_EQ(slept.wait_for(50ms), std::future_status::timeout);
  stop.request_stop();
  const auto result = slept.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::cancelled);
}

TEST(Session, that_lost_its_connection_is_broken) {
  const auto session = connect();
  run_sql(database(), "SELECT pg_terminate_backend(" + std::to_string(session->process()) + ")");
  const auto answer = session->execute("SELECT 1");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_TRUE(session->broken());
}

TEST(Session, says_when_nobody_answers_at_the_address) {
  weir::testing_support::CutProxy proxy("127.0.0.1", 1);  // nothing listens on port 1
  const auto uri = weir::testing_support::with_address(database(), "127.0.0.1", proxy.port());
  const auto session = Session::connect({.uri = uri}, system_clock(), {});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Code::unavailable);
  EXPECT_NE(session.error().message, "PostgreSQL: no answer");
}

TEST(Session, that_cannot_be_had_in_time_is_unavailable) {
  // A server that accepts and never answers: one whose process has been stopped looks like this.
  const int silent = weir::testing_support::silent_listener();
  const auto uri = weir::testing_support::with_address(database(), "127.0.0.1",
                                                       weir::testing_support::port_of(silent));
  const auto session =
      Session::connect({.uri = uri, .connect_time_max = 200ms}, system_clock(), {});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Code::unavailable);
  EXPECT_NE(session.error().message.find("200 ms"), std::string::npos);
}

TEST(Session, hears_notifications) {
  const auto session = connect();
  ASSERT_TRUE(session->execute("LISTEN news"));
  run_sql(database(), "NOTIFY news, 'hello'");
  const auto heard = session->wait_for_notifications(within(5s)).value();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].channel, "news");
  EXPECT_EQ(heard[0].payload, "hello");
  const auto none = session->wait_for_notifications(within(20ms));
  EXPECT_EQ(none.error().code, Code::deadline_exceeded);
  EXPECT_FALSE(session->broken());
}

TEST(Pool, lends_a_session_again) {
  Pool pool({.connect = {.uri = database()}}, system_clock());
  const auto process = pool.checkout({}).value()->process();
  const auto again = pool.checkout({}).value();
  EXPECT_EQ(again->process(), process);
  EXPECT_TRUE(again.used());
}

TEST(Pool, does_not_lend_a_broken_session_again) {
  Pool pool({.connect = {.uri = database()}}, system_clock());
  int process = 0;
  {
    const auto lease = pool.checkout({}).value();
    process = lease->process();
    ASSERT_FALSE(lease->execute("SELECT pg_sleep(9)", {}, within(10ms)));
  }
  EXPECT_NE(pool.checkout({}).value()->process(), process);
}

TEST(Pool, makes_callers_wait_for_their_turn) {
  Pool pool({.limits = {.size_max = 1}, .connect = {.uri = database()}}, system_clock());
  std::optional<Pool::Lease> first(pool.checkout({}).value());
  auto second = std::async(std::launch::async, [&] { return pool.checkout(within(10s)).ok(); });
  EXPECT_EQ(second.wait_for(50ms), std::future_status::timeout);
  first.reset();
  EXPECT_TRUE(second.get());
}

TEST(Pool, names_itself_when_no_session_becomes_free) {
  Pool pool({.limits = {.name = "reports", .size_max = 1, .connection_timeout = 30ms},
             .connect = {.uri = database()}},
            system_clock());
  const auto first = pool.checkout(within(10s)).value();
  const auto late = pool.checkout(within(10ms));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  EXPECT_NE(late.error().message.find("'reports'"), std::string::npos);
  const auto patient = pool.checkout({});
  ASSERT_FALSE(patient);
  EXPECT_EQ(patient.error().code, Code::resource_exhausted);
  EXPECT_TRUE(patient.error().retry_after);
}

TEST(Pool, refuses_callers_past_those_who_may_wait) {
  Pool pool({.limits = {.size_max = 1, .waiting_max = 0}, .connect = {.uri = database()}},
            system_clock());
  const auto first = pool.checkout({}).value();
  const auto second = pool.checkout(within(10s));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::resource_exhausted);
}

TEST(Pool, lets_a_waiting_caller_give_up) {
  Pool pool({.limits = {.size_max = 1}, .connect = {.uri = database()}}, system_clock());
  const auto first = pool.checkout({}).value();
  std::stop_source stop;
  auto second = std::async(std::launch::async,
                           [&] { return pool.checkout({.stop = stop.get_token()}).error().code; });
  stop.request_stop();
  EXPECT_EQ(second.get(), Code::cancelled);
}

TEST(Pool, counts_a_failed_connection_as_given_back) {
  Pool pool({.limits = {.size_max = 1}, .connect = {.uri = "postgres://nobody@127.0.0.1:1/x"}},
            system_clock());
  for (int i = 0; i < 3; ++i) {
    const auto lease = pool.checkout(within(5s));
    ASSERT_FALSE(lease);
    EXPECT_EQ(lease.error().code, Code::unavailable);
  }
  EXPECT_EQ(pool.state().in_use, 0u);
}

/// Ends a server process from another connection, and waits until it is gone.
void terminate(int process) {
  const auto session = connect();
  Params which;
  which.add_int4(process);
  ASSERT_TRUE(session->execute("SELECT pg_terminate_backend($1, 5000)", which));
}

TEST(Pool, replaces_a_connection_that_died_while_idle) {
  Pool pool({.limits = {.validate_after = 1ms}, .connect = {.uri = database()}}, system_clock());
  const auto process = pool.checkout({}).value()->process();
  terminate(process);  // takes longer than validate_after
  const auto lease = pool.checkout(within(10s)).value();
  EXPECT_NE(lease->process(), process);
  EXPECT_TRUE(lease->execute("SELECT 1"));
}

TEST(Pool, lends_to_many_callers_a_few_connections_and_each_to_one) {
  Pool pool({.limits = {.size_max = 3}, .connect = {.uri = database()}}, system_clock());
  std::mutex mutex;
  std::set<int> lent;
  std::set<int> all;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 24; ++i) {
      callers.emplace_back([&] {
        for (int turn = 0; turn < 20; ++turn) {
          const auto lease = pool.checkout(within(30s)).value();
          {
            const std::lock_guard lock(mutex);
            EXPECT_TRUE(lent.insert(lease->process()).second) << "lent twice";
            all.insert(lease->process());
          }
          EXPECT_TRUE(lease->execute("SELECT 1"));
          const std::lock_guard lock(mutex);
          lent.erase(lease->process());
        }
      });
    }
  }
  EXPECT_LE(all.size(), 3u);
  EXPECT_EQ(pool.state().in_use, 0u);
  EXPECT_EQ(pool.state().waiting, 0u);
}

TEST(Pool, tells_its_listener_what_happens_to_connections) {
  std::mutex mutex;
  std::vector<PoolEvent::Kind> seen;
  {
    Pool pool({.connect = {.uri = database()},
               .listener =
                   [&](const PoolEvent& event) {
                     const std::lock_guard lock(mutex);
                     seen.push_back(event.kind);
                   }},
              system_clock());
    EXPECT_TRUE(pool.checkout({}));
    pool.drop_idle();
  }
  using Kind = PoolEvent::Kind;
  EXPECT_EQ(seen, (std::vector{Kind::connecting, Kind::connected, Kind::borrowed, Kind::returned,
                               Kind::closed}));
}

}  // namespace
}  // namespace weir::postgres
