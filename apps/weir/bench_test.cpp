#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <apps/weir/bench_operations.hpp>
#include <apps/weir/shell_for_tests.hpp>
#include <weir/base/json.hpp>

namespace weir::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Lt;

TEST(Latencies, are_told_within_two_percent) {
  bench::Latencies latencies;
  for (int i = 1; i <= 1000; ++i) latencies.add(i * 1us);
  EXPECT_THAT(latencies.at(0.5), AllOf(Gt(490us), Lt(510us)));
  EXPECT_THAT(latencies.at(0.99), AllOf(Gt(970us), Lt(1010us)));
  EXPECT_EQ(latencies.max(), 1000us);
  EXPECT_EQ(latencies.count(), 1000);
}

TEST(Latencies, count_durations_of_any_length) {
  bench::Latencies latencies;
  latencies.add(0ns);
  latencies.add(std::chrono::hours(24 * 365));
  EXPECT_EQ(latencies.count(), 2);
  EXPECT_EQ(latencies.at(0), 0ns);
}

TEST(EventMaker, makes_json_of_260_bytes_with_two_of_the_tags) {
  bench::EventMaker maker({.tags = 10}, 1);
  for (int i = 0; i < 100; ++i) {
    const auto event = maker.next();
    EXPECT_EQ(event.data.size(), 260);
    EXPECT_TRUE(check_json(event.data).ok());
    ASSERT_EQ(event.tags.size(), 2);
    EXPECT_LT(event.tags.front(), "tag:00000010");
  }
}

class Bench : public Shell {
 protected:
  /// Runs a short benchmark; what it printed as JSON.
  boost::json::object bench(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "bench");
    for (const auto* more : {"--json", "--seconds", "0.1", "--warm-up", "0"}) {
      arguments.emplace_back(more);
    }
    const auto done = weir(std::move(arguments));
    EXPECT_EQ(done.exit, Exit::fine) << done.err;
    return done.exit == Exit::fine ? boost::json::parse(done.out).as_object()
                                   : boost::json::object();
  }
  std::uint64_t head() { return store().head()->value; }
};

TEST_F(Bench, append_counts_what_it_appended) {
  const auto result = bench({"append", "--clients", "4", "--batch", "3", "--tags", "100000"});
  EXPECT_GT(result.at("operations").to_number<std::uint64_t>(), 0);
  EXPECT_EQ(result.at("events").to_number<std::uint64_t>(),
            3 * result.at("operations").to_number<std::uint64_t>());
  EXPECT_GE(head(), result.at("events").to_number<std::uint64_t>());
}

TEST_F(Bench, append_on_condition_is_refused_when_another_client_was_first) {
  const auto result =
      bench({"append", "--clients", "8", "--blocking", "--condition", "--tags", "1"});
  EXPECT_GT(result.at("refused").to_number<std::uint64_t>(), 0);
}

TEST_F(Bench, a_decision_reads_the_newest_events_of_its_boundary_and_adds_one) {
  const auto result = bench({"decide", "--clients", "2", "--boundaries", "40"});
  // As many at the end as at the beginning, though each has had several by then.
  EXPECT_THAT(result.at("boundaryEvents").to_number<double>(),
              ::testing::AllOf(::testing::Ge(24.5), ::testing::Le(25.5)));
  EXPECT_GE(result.at("events").to_number<std::uint64_t>(), 80);
  EXPECT_GE(head(), 1000 + result.at("events").to_number<std::uint64_t>());
}

TEST_F(Bench, read_counts_the_events_of_a_log_that_it_first_fills) {
  const auto result = bench({"read", "--events", "2500", "--clients", "2"});
  EXPECT_EQ(head(), 2500);
  EXPECT_GE(result.at("events").to_number<std::uint64_t>(), 2500);
}

TEST_F(Bench, subscribe_waits_until_every_subscriber_has_each_append) {
  const auto result = bench({"subscribe", "--clients", "20"});
  EXPECT_GT(result.at("operations").to_number<std::uint64_t>(), 0);
  EXPECT_GT(result.at("microseconds").as_object().at("max").to_number<double>(), 0);
}

TEST_F(Bench, the_umadb_protocol_needs_a_server) {
  const auto done = weir({"bench", "append", "--api", "umadb", "--store", "sqlite:a.db"});
  EXPECT_EQ(done.exit, Exit::usage);
  EXPECT_THAT(done.err, HasSubstr("--target"));
}

TEST_F(Bench, ends_early_when_interrupted) {
  stop_.request_stop();
  const auto done = weir({"bench", "append", "--seconds", "1000"});
  EXPECT_EQ(done.exit, Exit::interrupted);
  EXPECT_EQ(done.err, "error: interrupted\n");
  EXPECT_EQ(done.out, "");
}

TEST_F(Bench, that_is_interrupted_tells_what_it_has_measured_so_far) {
  for (const auto* what : {"append", "decide", "read", "subscribe"}) {
    stop_ = std::stop_source();
    std::jthread interrupts([this, before = head()] {
      while (head() < before + 20) std::this_thread::yield();
      stop_.request_stop();
    });
    // The others append themselves.
    std::jthread appends([this, needed = what == std::string("read")] {
      while (needed && !stop_.stop_requested()) {
        EXPECT_TRUE(store().append({.events = {event("A").json("{}")}}));
      }
    });
    const auto done =
        weir({"bench", what, "--seconds", "1000", "--warm-up", "0", "--boundaries", "4"});
    EXPECT_EQ(done.exit, Exit::interrupted) << what;
    EXPECT_EQ(done.err, "error: interrupted\n") << what;
    EXPECT_THAT(done.out, HasSubstr(" a second, ")) << what;
  }
}

}  // namespace
}  // namespace weir::cli
