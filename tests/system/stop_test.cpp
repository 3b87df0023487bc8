#include <gtest/gtest.h>

#include <csignal>
#include <random>
#include <thread>

#include <weir/gateway/testing/http_client.hpp>

#include <tests/support/load.hpp>
#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using testing_support::Appenders;
using testing_support::Attempt;
using testing_support::Ledger;
using testing_support::ServerProcess;
using namespace std::chrono_literals;

class Stopped : public testing::TestWithParam<Engine> {
 protected:
  std::unique_ptr<Place> place_ = GetParam().make();
};

TEST_P(Stopped, under_load_a_server_answers_what_it_accepted_and_exits_with_0) {
  Ledger ledger;
  std::string grpc, http, said;
  {
    ServerProcess server({.program = testing_support::built_program(), .store = place_->uri()});
    grpc = server.grpc();
    http = server.http();
    std::vector<std::shared_ptr<EventStore>> logs;
    for (int i = 0; i < 6; ++i) logs.push_back(server.connect());
    Appenders appenders(logs, ledger, std::random_device()());
    std::this_thread::sleep_for(300ms);
    server.signal(SIGTERM);
    const auto exit = server.wait(8s);
    ASSERT_TRUE(exit) << "still there; the grace time is 10 s and nothing takes that long\n"
                      << server.log();
    EXPECT_EQ(*exit, 0) << server.log();
    appenders.join();
    said = server.log();
  }
  EXPECT_GT(ledger.count(Attempt::Outcome::acknowledged), 0u);
  ServerProcess again({.program = testing_support::built_program(),
                       .store = place_->uri(),
                       .grpc = grpc,
                       .http = http});
  EXPECT_EQ(again.grpc(), grpc);
  ledger.check(*again.connect());
  EXPECT_EQ(ledger.markers().size(), ledger.events_acknowledged())
      << "what a server accepted before it stopped, it must have answered; clients were told:\n"
      << ledger.failures_in_words() << "\nand it said:\n"
      << said;
}

TEST_P(Stopped, streams_end_with_a_status_that_says_why) {
  ServerProcess server({.program = testing_support::built_program(), .store = place_->uri()});
  const auto log = server.connect();
  ASSERT_TRUE(log->append({.events = {{.type = "A", .data = "{}"}}}));
  auto subscription = log->subscribe({});
  ASSERT_TRUE(subscription) << to_string(subscription.error());
  const auto first = (*subscription)->next();
  ASSERT_TRUE(first) << to_string(first.error());
  gateway::testing::HttpClient http(server.http_port());
  http.request("GET", "/v1/logs/default/events:subscribe", {}, "Accept: text/event-stream\r\n");
  EXPECT_NE(http.read_until("id: 1\n"), "");
  const auto before = std::chrono::steady_clock::now();
  server.signal(SIGTERM);
  Result<SubscriptionStep> step = (*subscription)->next();
  while (step) step = (*subscription)->next();
  EXPECT_EQ(step.error().reason, Reason::shutting_down) << to_string(step.error());
  const auto rest = http.read_until("event: error");
  EXPECT_NE(rest.find("event: error"), std::string::npos) << rest;
  EXPECT_NE(http.read_until("}").find("UNAVAILABLE"), std::string::npos);
  EXPECT_TRUE(http.closed());
  const auto exit = server.wait(8s);
  ASSERT_TRUE(exit) << server.log();
  EXPECT_EQ(*exit, 0) << server.log();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 8s);
}

TEST_P(Stopped, a_server_that_waits_for_a_long_read_exits_within_its_grace_time) {
  ServerProcess server({.program = testing_support::built_program(),
                        .store = place_->uri(),
                        .arguments = {"--grace", "1"}});
  const auto log = server.connect();
  const std::string text(100'000, 'x');
  for (int i = 0; i < 20; ++i) {
    std::vector<Event> events(30, {.type = "A", .data = "{\"x\":\"" + text + "\"}"});
    ASSERT_TRUE(log->append({.events = events}));
  }
  // Nobody takes this stream's messages, so it never ends by itself.
  auto stream = log->read({});
  const auto step = stream.next();
  ASSERT_TRUE(step) << to_string(step.error());
  server.signal(SIGTERM);
  const auto exit = server.wait(4s);
  ASSERT_TRUE(exit) << server.log();
  EXPECT_EQ(*exit, 0) << server.log();
}

INSTANTIATE_TEST_SUITE_P(Server, Stopped, testing::ValuesIn(engines()), engine_name);

}  // namespace
}  // namespace weir::system_tests
