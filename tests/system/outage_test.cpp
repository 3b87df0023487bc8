#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <weir/gateway/testing/http_client.hpp>

#include <tests/support/load.hpp>
#include <tests/support/places.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <tests/support/server_process.hpp>

namespace weir::system_tests {
namespace {

using testing_support::Appenders;
using testing_support::Ledger;
using testing_support::OnFailure;
using testing_support::PostgresCluster;
using testing_support::ServerProcess;
using namespace std::chrono_literals;

/// Clients, each with a connection of its own, that read the log's end and a part of it and ask
/// again when they are told to.
class RemoteReaders {
 public:
  explicit RemoteReaders(const std::vector<std::shared_ptr<EventStore>>& logs) {
    for (const auto& log : logs) threads_.emplace_back([this, log] { run(*log); });
  }
  ~RemoteReaders() { join(); }
  RemoteReaders(const RemoteReaders&) = delete;
  RemoteReaders& operator=(const RemoteReaders&) = delete;

  void join() {
    stopping_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }
  std::size_t reads() const { return reads_; }
  std::size_t errors() const { return errors_; }

 private:
  void run(EventStore& log) {
    while (!stopping_) {
      const auto head = testing_support::ask_again([&] { return log.head({}); });
      const auto step =
          testing_support::ask_again([&] { return log.read_step({.after = {}, .limit = 50}); });
      ++(head && step ? reads_ : errors_);
    }
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> reads_ = 0;
  std::atomic<std::size_t> errors_ = 0;
  std::vector<std::thread> threads_;
};

TEST(ProductionServer, is_whole_soon_after_its_database_was_away_for_two_seconds) {
  PostgresCluster cluster({});
  ServerProcess server({.program = testing_support::built_program(),
                        .store = cluster.new_database(),
                        .arguments = {"--preset", "production"}});
  const auto status = [&] {
    gateway::testing::HttpClient http(server.http_port());
    return http.get("/health/ready").body;
  };
  const auto log = server.connect();
  ASSERT_TRUE(log->append({.events = {{.type = "First", .data = "{\"m\":\"first.0\"}"}}}));
  EXPECT_NE(status().find("\"healthy\""), std::string::npos);
  Ledger ledger;
  std::vector<std::shared_ptr<EventStore>> logs, read_logs;
  for (int i = 0; i < 4; ++i) logs.push_back(server.connect());
  for (int i = 0; i < 8; ++i) read_logs.push_back(server.connect());
  cluster.stop();
  const auto began = std::chrono::steady_clock::now();
  // Those who come now make the circuits open, which they are then told of.
  Appenders appenders(logs, ledger, 7, OnFailure::ask_again);
  RemoteReaders readers(read_logs);
  std::this_thread::sleep_until(began + 2s);
  // A machine with much else to do may need longer until enough calls have failed.
  const auto opened = [&] { return server.log().find("the circuit opened") != std::string::npos; };
  while (!opened() && std::chrono::steady_clock::now() < began + 20s) {
    std::this_thread::sleep_for(10ms);
  }
  cluster.start();
  const auto back = std::chrono::steady_clock::now();
  while (ledger.events_acknowledged() == 0 || readers.reads() == 0) {
    ASSERT_LT(std::chrono::steady_clock::now() - back, 30s) << server.log();
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - back, 7s) << server.log();
  std::this_thread::sleep_for(1s);
  appenders.join();
  readers.join();
  EXPECT_TRUE(opened()) << "no circuit opened, so nothing was shown\n" << server.log();
  EXPECT_EQ(ledger.failures(), 0u) << "who asked again as told was told of an error";
  EXPECT_EQ(readers.errors(), 0u);
  ledger.check(*log);
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (status().starts_with("{\"status\":\"healthy\"") == false) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << status();
    std::this_thread::sleep_for(100ms);
  }
}

TEST(ProductionServer, says_within_five_seconds_that_its_database_hangs) {
  PostgresCluster cluster({});
  ServerProcess server(
      {.program = testing_support::built_program(), .store = cluster.new_database()});
  const auto ready = [&] {
    gateway::testing::HttpClient http(server.http_port());
    return http.get("/health/ready").status;
  };
  const auto log = server.connect();
  const auto append = [&](std::chrono::milliseconds patience) {
    return log->append({.events = {{.type = "T", .data = "{\"m\":\"t.0\"}"}},
                        .call = {.deadline = system_clock().instant() + patience}});
  };
  ASSERT_TRUE(append(10s));
  EXPECT_EQ(ready(), 200);
  cluster.freeze();
  const auto began = std::chrono::steady_clock::now();
  while (ready() == 200) ASSERT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  const auto asked = std::chrono::steady_clock::now();
  const auto late = append(1s);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded) << to_string(late.error());
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 4s);
  cluster.thaw();
  const auto thawed = std::chrono::steady_clock::now();
  while (ready() != 200) {
    ASSERT_LT(std::chrono::steady_clock::now() - thawed, 20s) << server.log();
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_TRUE(append(10s));
}

}  // namespace
}  // namespace weir::system_tests
