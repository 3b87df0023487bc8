#include <weir/sql/postgres/replicas.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include <tests/support/postgres_cluster.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;
using Standing = sql::ReplicaStanding;

class WatchedHosts : public ::testing::Test {
 protected:
  void watch(const std::string& role) {
    const auto uri = fmt::format("postgres://{}@{}:{},{}:{},127.0.0.1:1/postgres", role,
                                 primary.host(), primary.port(), replica.host(), replica.port());
    const auto listener = [this](const std::string& host, const sql::ReplicaState& state) {
      const std::lock_guard lock(mutex);
      told.push_back(host + " " + name_of(state.standing));
    };
    hosts = std::make_unique<Replicas>(
        ReplicasOptions{
            .limits = {.measure_every = 20ms},
            .pool = {.connect = {.uri = uri, .reporting = {.telemetry = {.meter = meter.get()}}}},
            .listener = listener},
        Hosts::of(uri).value(), system_clock());
  }
  bool becomes(std::size_t host, Standing standing) const {
    for (int i = 0; i < 2000; ++i) {
      if (hosts->states()[host].replica.standing == standing) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  /// A replica may be left out for another reason first, while the hosts are got to know.
  bool is_left_out_since(std::size_t host, const std::string& why) const {
    for (int i = 0; i < 2000; ++i) {
      const auto state = hosts->states()[host].replica;
      if (state.standing == Standing::detached && state.why.find(why) != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  bool was_told(const std::string& what) {
    const std::lock_guard lock(mutex);
    return std::find(told.begin(), told.end(), what) != told.end();
  }
  std::string replica_host() const { return fmt::format("{}:{}", replica.host(), replica.port()); }
  std::optional<double> metric(const telemetry::MetricSpec& spec, const std::string& host) const {
    for (const auto& metric : meter->collect()) {
      if (metric.spec.name != spec.name) continue;
      for (const auto& point : metric.points) {
        if (point.labels[0] == host) return std::get<double>(point.value);
      }
    }
    return std::nullopt;
  }

  PostgresCluster primary{{}};
  PostgresCluster replica{{.replica_of = &primary}};
  std::mutex mutex;
  std::vector<std::string> told;
  const std::unique_ptr<telemetry::MetricRegistry> meter =
      telemetry::MetricRegistry::create({}).value();
  std::unique_ptr<Replicas> hosts;
};

TEST_F(WatchedHosts, are_told_apart_and_reported) {
  watch("weir");
  ASSERT_TRUE(becomes(0, Standing::primary));
  ASSERT_TRUE(becomes(1, Standing::in));
  ASSERT_TRUE(becomes(2, Standing::down));
  auto* pool = hosts->choose();
  ASSERT_NE(pool, nullptr);
  EXPECT_EQ(pool->name(), "replica " + replica_host());
  {
    const auto lease = pool->checkout({}).value();
    EXPECT_TRUE(lease->execute("SELECT pg_is_in_recovery()").value().boolean(0, 0));
    EXPECT_EQ(hosts->states()[1].pool->in_use, 1u);
  }
  EXPECT_NE(hosts->states()[2].replica.why.find("port 1 failed"), std::string::npos);
  EXPECT_TRUE(was_told(replica_host() + " in"));
  EXPECT_TRUE(was_told("127.0.0.1:1 down"));
  namespace metrics = telemetry::metric;
  EXPECT_EQ(metric(metrics::store_replica_in, replica_host()), 1);
  EXPECT_EQ(metric(metrics::store_replica_in, "127.0.0.1:1"), 0);
  ASSERT_TRUE(metric(metrics::store_replica_lag, replica_host()));
  EXPECT_LT(*metric(metrics::store_replica_lag, replica_host()), 1);
}

TEST_F(WatchedHosts, that_failed_a_reader_are_left_out_until_they_answer) {
  watch("weir");
  ASSERT_TRUE(becomes(0, Standing::primary));
  ASSERT_TRUE(becomes(1, Standing::in));
  hosts->failed(hosts->choose(), unavailable("it died"));
  EXPECT_TRUE(was_told(replica_host() + " down"));
  EXPECT_TRUE(becomes(1, Standing::in));
}

TEST_F(WatchedHosts, that_have_lost_their_primary_are_left_out) {
  watch("weir");
  ASSERT_TRUE(becomes(1, Standing::in));
  primary.kill();
  EXPECT_TRUE(becomes(1, Standing::detached));
  EXPECT_EQ(hosts->choose(), nullptr);
}

TEST_F(WatchedHosts, whose_source_may_not_be_seen_are_left_out_and_say_what_to_grant) {
  run_sql(fmt::format("postgres://weir@{}:{}/postgres", primary.host(), primary.port()),
          "CREATE ROLE plain LOGIN");
  watch("plain");
  ASSERT_TRUE(becomes(0, Standing::primary));
  ASSERT_TRUE(is_left_out_since(1, "GRANT pg_read_all_stats")) << hosts->states()[1].replica.why;
  run_sql(fmt::format("postgres://weir@{}:{}/postgres", primary.host(), primary.port()),
          "GRANT pg_read_all_stats TO plain");
  EXPECT_TRUE(becomes(1, Standing::in));
}

}  // namespace
}  // namespace weir::postgres
