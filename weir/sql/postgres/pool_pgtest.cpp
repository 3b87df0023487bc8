#include <weir/sql/postgres/pool.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <variant>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;
using Kind = PoolEvent::Kind;

/// A pool's hooks, and what they were told.
class Hooks : public ::testing::Test {
 protected:
  std::function<void(const PoolEvent&)> listener() {
    return [this](const PoolEvent& event) {
      const std::lock_guard lock(mutex);
      seen.push_back(event.kind);
      if (event.error != nullptr) why = event.error->message;
      pools.push_back(std::string(event.pool));
    };
  }
  bool sees(Kind kind) {
    for (int i = 0; i < 1000; ++i) {
      {
        const std::lock_guard lock(mutex);
        if (std::find(seen.begin(), seen.end(), kind) != seen.end()) return true;
      }
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  static Patience within(std::chrono::milliseconds time) {
    return {.deadline = system_clock().instant() + time};
  }
  static void terminate(int process) {
    run_sql(PostgresCluster::shared().new_database(),
            fmt::format("SELECT pg_terminate_backend({}, 5000)", process));
  }

  const std::string uri = PostgresCluster::shared().new_database();
  std::mutex mutex;
  std::vector<Kind> seen;
  std::vector<std::string> pools;
  std::string why;
};

TEST_F(Hooks, tell_why_connecting_failed) {
  Pool pool({.limits = {.name = "reports"},
             .connect = {.uri = "postgres://nobody@127.0.0.1:1/x"},
             .listener = listener()},
            system_clock());
  EXPECT_FALSE(pool.checkout(within(5s)));
  ASSERT_TRUE(sees(Kind::failed));
  EXPECT_NE(why.find("port 1 failed"), std::string::npos);
  EXPECT_EQ(pools.front(), "reports");
}

TEST_F(Hooks, tell_of_a_connection_that_is_kept_too_long_and_of_who_waits_in_vain) {
  Pool pool({.limits = {.size_max = 1, .leak_detection_threshold = 1ms},
             .connect = {.uri = uri},
             .listener = listener()},
            system_clock());
  const auto lease = pool.checkout({}).value();
  EXPECT_TRUE(sees(Kind::leaked));
  EXPECT_FALSE(pool.checkout(within(10ms)));
  EXPECT_TRUE(sees(Kind::timed_out));
}

TEST_F(Hooks, tell_of_connections_that_are_closed_because_their_server_left) {
  Pool pool({.connect = {.uri = uri}, .listener = listener()}, system_clock());
  int first = 0;
  {
    const auto a = pool.checkout({}).value();
    const auto b = pool.checkout({}).value();
    first = a->process();
  }
  EXPECT_EQ(pool.state().idle, 2u);
  terminate(first);
  // Nobody has to wait for validate_after, nor for a round trip that fails.
  const auto lease = pool.checkout(within(10s)).value();
  EXPECT_TRUE(lease->execute("SELECT 1"));
  EXPECT_NE(lease->process(), first);
  EXPECT_TRUE(sees(Kind::closed));
}

class PoolMetrics : public Hooks {};

TEST_F(PoolMetrics, say_what_the_hooks_say) {
  const auto registry = telemetry::MetricRegistry::create({}).value();
  Pool pool({.limits = {.name = "reports", .size_max = 3},
             .connect = {.uri = uri, .reporting = {.telemetry = {.meter = registry.get()}}}},
            system_clock());
  const auto value = [&](const telemetry::MetricSpec& spec, const std::string& state) {
    for (const auto& metric : registry->collect()) {
      if (metric.spec.name != spec.name) continue;
      for (const auto& point : metric.points) {
        EXPECT_EQ(point.labels[0], "reports");
        if (!state.empty() && point.labels[1] != state) continue;
        return metric.spec.kind == telemetry::MetricKind::histogram
                   ? static_cast<double>(point.histogram.count)
                   : std::visit([](auto number) { return static_cast<double>(number); },
                                point.value);
      }
    }
    return -1.0;
  };
  namespace metric = telemetry::metric;
  {
    const auto a = pool.checkout({}).value();
    const auto b = pool.checkout({}).value();
    EXPECT_EQ(value(metric::db_client_connection_count, "used"), 2);
    EXPECT_EQ(value(metric::db_client_connection_count, "idle"), 0);
    const auto c = pool.checkout({}).value();
    EXPECT_FALSE(pool.checkout(within(1ms)));
  }
  EXPECT_EQ(value(metric::db_client_connection_count, "idle"), 3);
  EXPECT_EQ(value(metric::db_client_connection_max, ""), 3);
  EXPECT_EQ(value(metric::db_client_connection_idle_max, ""), 3);
  EXPECT_EQ(value(metric::db_client_connection_idle_min, ""), 0);
  EXPECT_EQ(value(metric::db_client_connection_pending_requests, ""), 0);
  EXPECT_EQ(value(metric::db_client_connection_timeouts, ""), 1);
  EXPECT_EQ(value(metric::db_client_connection_create_time, ""), 3);
  EXPECT_EQ(value(metric::db_client_connection_wait_time, ""), 3);
  EXPECT_EQ(value(metric::db_client_connection_use_time, ""), 3);
}

class ReturnedSessions : public Hooks {};

TEST_F(ReturnedSessions, that_are_within_a_transaction_are_closed) {
  Pool pool({.connect = {.uri = uri}, .listener = listener()}, system_clock());
  ASSERT_TRUE(pool.checkout({}).value()->execute("BEGIN"));
  EXPECT_TRUE(sees(Kind::closed));
  EXPECT_EQ(pool.state().idle, 0u);
}

std::string lock_timeout(Pool& pool) {
  return std::string(pool.checkout({}).value()->execute("SHOW lock_timeout").value().bytes(0, 0));
}

TEST_F(ReturnedSessions, are_reset_when_the_options_say_so) {
  for (const auto when :
       {sql::ResetOnReturn::never, sql::ResetOnReturn::when_changed, sql::ResetOnReturn::always}) {
    Pool pool({.limits = {.size_max = 1, .reset_on_return = when}, .connect = {.uri = uri}},
              system_clock());
    const auto process = pool.checkout({}).value()->process();
    ASSERT_TRUE(pool.checkout({}).value()->execute("SET lock_timeout = 7"));
    EXPECT_EQ(lock_timeout(pool), when == sql::ResetOnReturn::never ? "7ms" : "0");
    ASSERT_TRUE(pool.checkout({}).value()->execute("SELECT set_config('lock_timeout','8',false)"));
    EXPECT_EQ(lock_timeout(pool), when == sql::ResetOnReturn::always ? "0" : "8ms");
    EXPECT_EQ(pool.checkout({}).value()->process(), process);
  }
}

TEST_F(ReturnedSessions, whose_command_was_cancelled_are_lent_again) {
  Pool pool({.limits = {.size_max = 1, .command_timeout = 50ms}, .connect = {.uri = uri}},
            system_clock());
  const auto process = pool.checkout({}).value()->process();
  EXPECT_EQ(pool.checkout({}).value()->execute("SELECT pg_sleep(9)").error().code,
            Code::deadline_exceeded);
  EXPECT_EQ(pool.checkout({}).value()->process(), process);
}

/// Forty callers who run a statement again and again for so long; the pool's limit after it.
std::size_t limit_after(Pool& pool, const std::string& statement, std::chrono::milliseconds time) {
  const auto until = system_clock().instant() + time;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 40; ++i) {
    callers.emplace_back([&] {
      while (system_clock().instant() < until) {
        EXPECT_TRUE(pool.checkout({}).value()->execute(statement));
      }
    });
  }
  callers.clear();
  return pool.state().limit;
}

class PoolSize : public Hooks {};

TEST_F(PoolSize, follows_what_the_server_can_take) {
  Pool pool(
      {.limits = {.size_min = 2, .size_max = 40, .connection_timeout = 60s, .automatic_size = true},
       .connect = {.uri = uri}},
      system_clock());
  EXPECT_EQ(pool.state().limit, 20u);
  // A server whose answers take as long however many ask: more connections do no harm.
  const auto well = limit_after(pool, "SELECT pg_sleep(0.05)", 3500ms);
  EXPECT_GT(well, 20u);
  EXPECT_LE(well, 40u);
  // One that has become much slower.
  const auto slow = limit_after(pool, "SELECT pg_sleep(0.5)", 4s);
  EXPECT_LT(slow, well);
  EXPECT_GE(slow, 2u);
  EXPECT_EQ(pool.state().in_use, 0u);
}

}  // namespace
}  // namespace weir::postgres
