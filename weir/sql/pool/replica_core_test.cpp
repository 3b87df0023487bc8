#include <weir/sql/pool/replica_core.hpp>

#include <gtest/gtest.h>

namespace weir::sql {
namespace {

using namespace std::chrono_literals;
using Standing = ReplicaStanding;

/// A primary (host 0) that writes, two replicas, and a clock in the test's hand.
class Replicas : public ::testing::Test {
 protected:
  void primary(std::uint64_t bytes, std::uint32_t timeline = 1) {
    core.is_primary(0, {bytes, timeline}, now);
  }
  void replica(std::size_t host, std::uint64_t bytes, std::uint32_t timeline = 1) {
    core.is_replica(host, {bytes, timeline}, "", now);
  }
  std::optional<std::size_t> choose() { return core.choose(1); }
  Standing standing(std::size_t host) const { return core.state(host).standing; }

  ReplicaCore core{{.lag_max = 1s, .measure_every = 250ms}, 3};
  Instant now{1000s};
};

TEST_F(Replicas, are_read_from_when_they_have_what_the_primary_has) {
  EXPECT_EQ(choose(), std::nullopt);
  primary(100);
  replica(1, 100);
  EXPECT_EQ(standing(1), Standing::in);
  EXPECT_EQ(core.state(1).lag, 0ms);
  EXPECT_EQ(choose(), 1u);
}

TEST_F(Replicas, are_read_from_in_turn) {
  primary(100);
  replica(1, 100);
  replica(2, 100);
  EXPECT_EQ(choose(), 1u);
  EXPECT_EQ(choose(), 2u);
  EXPECT_EQ(choose(), 1u);
}

TEST_F(Replicas, are_not_behind_because_nothing_is_written) {
  for (int i = 0; i < 100; ++i) {
    primary(100);
    replica(1, 100);
    EXPECT_EQ(core.state(1).lag, 0ms);
    now += 1s;
  }
}

TEST_F(Replicas, that_stop_are_behind_as_soon_as_what_they_lack_is_too_old) {
  primary(100);
  replica(1, 100);
  for (int i = 0; i < 4; ++i) {
    now += 250ms;
    primary(200 + static_cast<std::uint64_t>(i));
    replica(1, 100);
    EXPECT_EQ(standing(1), Standing::in) << i;
  }
  EXPECT_EQ(core.state(1).lag, 1000ms);
  EXPECT_EQ(core.state(1).lag_bytes, 103u);
  now += 250ms;
  primary(300);
  replica(1, 100);
  EXPECT_EQ(standing(1), Standing::behind);
  EXPECT_EQ(choose(), std::nullopt);
  EXPECT_NE(core.state(1).why.find("200 bytes"), std::string::npos);
}

TEST_F(Replicas, stay_behind_though_the_primary_writes_no_more) {
  primary(100);
  now += 250ms;
  primary(200);
  for (int i = 0; i < 100; ++i) {
    now += 250ms;
    primary(200);
    replica(1, 150);
  }
  EXPECT_EQ(standing(1), Standing::behind);
  EXPECT_GE(core.state(1).lag, 1s);
}

TEST_F(Replicas, that_catch_up_are_read_from_again) {
  primary(100);
  now += 2s;
  primary(200);
  replica(1, 100);
  EXPECT_EQ(standing(1), Standing::behind);
  const auto since = core.state(1).since;
  now += 250ms;
  replica(1, 200);
  EXPECT_EQ(standing(1), Standing::in);
  EXPECT_GT(core.state(1).since, since);
  EXPECT_EQ(choose(), 1u);
}

TEST_F(Replicas, that_are_down_are_left_out_until_they_answer) {
  primary(100);
  replica(1, 100);
  core.is_down(1, "connection refused", now);
  EXPECT_EQ(choose(), std::nullopt);
  EXPECT_EQ(core.state(1).why, "connection refused");
  replica(1, 100);
  EXPECT_EQ(choose(), 1u);
}

TEST_F(Replicas, that_receive_nothing_are_left_out_however_far_they_are) {
  primary(100);
  core.is_replica(1, {100, 1}, "it receives nothing", now);
  EXPECT_EQ(standing(1), Standing::detached);
  EXPECT_EQ(core.state(1).why, "it receives nothing");
  EXPECT_EQ(choose(), std::nullopt);
}

TEST_F(Replicas, of_another_timeline_than_the_primarys_are_left_out) {
  primary(100);
  replica(1, 100);
  core.is_primary(2, {120, 2}, now);  // promoted
  replica(1, 130);
  EXPECT_EQ(standing(1), Standing::detached) << "it may have what the new primary has not";
  replica(1, 130, 2);
  EXPECT_EQ(standing(1), Standing::in);
}

// They may have what the new primary has not, and be asked only after that one.
TEST_F(Replicas, are_unknown_once_a_later_primary_is_seen_until_they_are_asked_again) {
  primary(100);
  replica(1, 100);
  now += 250ms;
  core.is_primary(2, {120, 2}, now);
  EXPECT_EQ(standing(1), Standing::unknown);
  EXPECT_EQ(core.state(1).lag, std::nullopt);
  EXPECT_EQ(core.state(1).since, now);
  EXPECT_EQ(core.choose(2), std::nullopt);
  core.is_primary(2, {130, 2}, now);
  EXPECT_EQ(core.choose(2), std::nullopt);
  replica(1, 130, 2);
  EXPECT_EQ(core.choose(2), 1u);
}

TEST_F(Replicas, are_not_read_from_while_others_know_of_a_later_primary) {
  primary(100);
  replica(1, 100);
  EXPECT_EQ(core.choose(2), std::nullopt);
  EXPECT_EQ(core.choose(1), 1u);
}

TEST_F(Replicas, are_not_measured_against_an_old_primary_that_came_back) {
  primary(100);
  core.is_primary(2, {120, 2}, now);
  primary(5'000);
  EXPECT_EQ(standing(0), Standing::detached);
  replica(1, 120, 2);
  EXPECT_EQ(standing(1), Standing::in);
}

TEST_F(Replicas, are_measured_anew_after_a_failover_that_lost_the_end_of_the_log) {
  primary(1'000);
  now += 250ms;
  core.is_primary(2, {900, 2}, now);
  replica(1, 900, 2);
  EXPECT_EQ(standing(1), Standing::in);
  EXPECT_EQ(core.state(1).lag, 0ms);
}

TEST_F(Replicas, are_unknown_before_a_primary_was_seen) {
  replica(1, 100);
  EXPECT_EQ(standing(1), Standing::unknown);
  EXPECT_EQ(choose(), std::nullopt);
}

TEST(ReplicaOptions, out_of_range_are_named) {
  const auto field_of = [](ReplicaOptions options) {
    const auto checked = check(options);
    return checked ? std::string() : checked.error().details.at("field");
  };
  EXPECT_EQ(field_of({}), "");
  EXPECT_EQ(field_of({.lag_max = 0ms}), "lag_max");
  EXPECT_EQ(field_of({.lag_max = 2h}), "lag_max");
  EXPECT_EQ(field_of({.measure_every = 9ms}), "measure_every");
  EXPECT_EQ(field_of({.lag_max = 1s, .measure_every = 600ms}), "measure_every");
}

}  // namespace
}  // namespace weir::sql
