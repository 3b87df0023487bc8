#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/v1/log.grpc.pb.h>

#include <fstream>

#include <fmt/format.h>

#include <tests/support/fake_backend.hpp>
#include <tests/support/temporary_folder.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/service.hpp>

namespace weir::system_tests {
namespace {

using namespace std::chrono_literals;
using gateway::testing::HttpClient;
using Seconds = std::chrono::duration<double>;
using Commits = testing_support::FakeBackend::Commits;

std::uint16_t free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  close(listener);
  return ntohs(address.sin_port);
}

/// A real Prometheus that scrapes one address five times a second.
class Prometheus {
 public:
  explicit Prometheus(const std::string& target) : port_(free_port()) {
    std::ofstream(folder_.file("prometheus.yml"))
        << "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n"
        << fmt::format("- {{job_name: weir, static_configs: [{{targets: ['{}']}}]}}\n", target);
    std::vector<std::string> arguments = {
        "prometheus", "--config.file=" + folder_.file("prometheus.yml"),
        "--storage.tsdb.path=" + folder_.file("data"),
        fmt::format("--web.listen-address=127.0.0.1:{}", port_), "--log.level=error"};
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    started_ = posix_spawnp(&process_, "prometheus", nullptr, nullptr, argv.data(), environ) == 0;
  }
  ~Prometheus() {
    if (!started_) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  bool ready() const {
    return started_ && gateway::testing::eventually([&] {
             return reachable() && HttpClient(port_).get("/-/ready").status == 200;
           });
  }
  /// The value that a query of PromQL has; nothing when it has none, or several.
  std::optional<double> query(const std::string& text) const {
    std::string encoded;
    for (const unsigned char c : text) encoded += fmt::format("%{:02X}", c);
    const auto body = HttpClient(port_).get("/api/v1/query?query=" + encoded).body;
    const auto at = body.find("\"value\":[");
    if (at == std::string::npos || body.find("\"value\":[", at + 1) != std::string::npos) {
      return std::nullopt;
    }
    const auto begin = body.find(",\"", at) + 2;
    return std::stod(body.substr(begin, body.find('"', begin) - begin));
  }

 private:
  bool reachable() const {
    const int to = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const bool there = connect(to, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(to);
    return there;
  }

  testing_support::TemporaryFolder folder_;
  const std::uint16_t port_;
  pid_t process_ = -1;
  bool started_ = false;
};

class OneLog final : public Catalog {
 public:
  explicit OneLog(std::shared_ptr<EventStore> log) : log_(std::move(log)) {}
  Result<std::vector<LogInfo>> list(CallOptions) override { return std::vector{log_->info()}; }
  Result<LogInfo> create(const std::string&, const LogOptions&, CallOptions) override {
    return log_->info();
  }
  Result<std::shared_ptr<EventStore>> open(const std::string&, CallOptions) override {
    return log_;
  }

 private:
  std::shared_ptr<EventStore> log_;
};

/// What a stopwatch outside has measured.
struct Stopwatch {
  std::vector<double> seconds;

  void time(const std::function<void()>& work) {
    const auto began = std::chrono::steady_clock::now();
    work();
    seconds.push_back(Seconds(std::chrono::steady_clock::now() - began).count());
  }
  double mean() const {
    double sum = 0;
    for (const auto one : seconds) sum += one;
    return sum / static_cast<double>(seconds.size());
  }
  double at(double share) {
    std::sort(seconds.begin(), seconds.end());
    return seconds[static_cast<std::size_t>(share * static_cast<double>(seconds.size() - 1))];
  }
};

/// A whole server over an engine whose commits take as long as the test says.
class Truth : public testing::Test {
 protected:
  void SetUp() override {
    reporting_ = server::Reporting::create({}).value();
    auto backend = std::make_unique<testing_support::FakeBackend>();
    backend_ = backend.get();
    engine::LogEngineOptions options;
    options.committer.observer = reporting_->store_observer();
    log_ = std::make_shared<engine::Log>(
        std::move(backend), std::make_shared<engine::Tail>(engine::Tail::Options{}),
        engine::TermHasher(1, {}), std::make_shared<engine::Threads>(), system_clock(), options);
    service_ = server::Service::start(std::make_shared<OneLog>(log_),
                                      {.grpc = {.grpc_address = "127.0.0.1:0"},
                                       .http = {.address = "127.0.0.1:0"},
                                       .reporting = reporting_})
                   .value();
    stub_ = v1::EventLog::NewStub(
        grpc::CreateChannel(service_->grpc_address(), grpc::InsecureChannelCredentials()));
    prometheus_ = std::make_unique<Prometheus>(service_->http_address());
    ASSERT_TRUE(prometheus_->ready()) << "is the Debian package prometheus installed?";
  }
  void TearDown() override {
    prometheus_.reset();
    stub_.reset();
    service_.reset();
    log_.reset();
  }

  /// Of the i-th of `count` calls: evenly over a bucket of the histograms, 100 to 250 ms, but for
  /// its end: where the machine is busy, what takes some milliseconds more must not be in the next.
  static std::chrono::nanoseconds known(int i, int count) { return 103ms + i * 137ms / count; }

  grpc::StatusCode append(bool conflict = false) {
    grpc::ClientContext context;
    v1::AppendRequest request;
    request.add_events()->set_type("Lent");
    request.mutable_events(0)->set_data("{}");
    if (conflict) request.mutable_condition()->mutable_fail_if_events_match();
    v1::AppendResponse response;
    return stub_->Append(&context, request, &response).error_code();
  }
  int append_over_http() {
    const auto colon = service_->http_address().rfind(':');
    HttpClient client(
        static_cast<std::uint16_t>(std::stoi(service_->http_address().substr(colon + 1))));
    return client.post("/v1/logs/default/events", R"({"events":[{"type":"Lent","data":{}}]})")
        .status;
  }

  void expect_count(const std::string& series, double count) {
    const auto query = fmt::format("sum({})", series);
    std::optional<double> last;
    const auto there = [&] {
      last = prometheus_->query(query);
      return last == count;
    };
    // Prometheus looks for new targets every 5 s.
    using gateway::testing::eventually;
    EXPECT_TRUE(eventually(there) || eventually(there) || eventually(there))
        << query << " is " << last.value_or(-1) << ", not " << count;
  }
  void expect_true(const std::string& name, const std::string& labels, Stopwatch& stopwatch) {
    expect_count(fmt::format("{}_count{}", name, labels),
                 static_cast<double>(stopwatch.seconds.size()));
    const auto mean =
        prometheus_->query(fmt::format("sum({0}_sum{1}) / sum({0}_count{1})", name, labels));
    ASSERT_TRUE(mean) << name;
    EXPECT_NEAR(*mean, stopwatch.mean(), stopwatch.mean() * 0.1) << name;
    for (const double share : {0.5, 0.95}) {
      const auto quantile = prometheus_->query(
          fmt::format("histogram_quantile({}, sum by (le) ({}_bucket{}))", share, name, labels));
      ASSERT_TRUE(quantile) << name;
      EXPECT_NEAR(*quantile, stopwatch.at(share), stopwatch.at(share) * 0.1) << name << share;
    }
  }

  std::shared_ptr<server::Reporting> reporting_;
  testing_support::FakeBackend* backend_ = nullptr;
  std::shared_ptr<engine::Log> log_;
  std::unique_ptr<server::Service> service_;
  std::unique_ptr<v1::EventLog::Stub> stub_;
  std::unique_ptr<Prometheus> prometheus_;
};

TEST_F(Truth, is_told_of_known_durations_in_seconds_by_prometheus) {
  constexpr int calls = 40;
  Stopwatch over_grpc, over_http, all;
  for (int i = 0; i < calls; ++i) {
    backend_->set_commit_time(known(i, calls));
    over_grpc.time([&] { EXPECT_EQ(append(), grpc::StatusCode::OK); });
    over_http.time([&] { EXPECT_EQ(append_over_http(), 200); });
  }
  all.seconds = over_grpc.seconds;
  all.seconds.insert(all.seconds.end(), over_http.seconds.begin(), over_http.seconds.end());
  // HTTP calls gRPC in its own process.
  expect_true("rpc_server_call_duration_seconds",
              R"({rpc_method="weir.v1.EventLog/Append",rpc_status_code="OK"})", all);
  expect_true("http_server_request_duration_seconds",
              R"({http_route="/v1/logs/{log}/events",http_response_status_code="200"})", over_http);
  expect_true("weir_store_commit_duration_seconds", R"({error_type=""})", all);
  expect_count("weir_store_append_events_total", 2 * calls);
  expect_count("weir_store_commit_events_count", 2 * calls);
  expect_count("weir_store_head", 2 * calls);
}

TEST_F(Truth, is_told_of_known_failures_exactly) {
  for (int i = 0; i < 7; ++i) EXPECT_EQ(append(), grpc::StatusCode::OK);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(append(true), grpc::StatusCode::ABORTED);
  backend_->set_commits(Commits::fail);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(append(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(append_over_http(), 503);
  const auto calls = [](const std::string& status) {
    return fmt::format("rpc_server_call_duration_seconds_count{{rpc_status_code=\"{}\"}}", status);
  };
  expect_count(calls("OK"), 7);
  expect_count(calls("ABORTED"), 5);
  expect_count(calls("UNAVAILABLE"), 4);
  expect_count(R"(weir_store_append_refused_total{error_type="ABORTED"})", 5);
  expect_count(R"(weir_store_append_refused_total{error_type="UNAVAILABLE"})", 4);
  expect_count(R"(weir_store_commit_duration_seconds_count{error_type="UNAVAILABLE"})", 4);
  expect_count(R"(http_server_request_duration_seconds_count{error_type="503"})", 1);
  expect_count("weir_store_append_events_total", 7);
  // Regression: a report that was handed on was counted once more, as cancelled.
  EXPECT_FALSE(prometheus_->query(fmt::format("sum({})", calls("CANCELLED"))));
}

}  // namespace
}  // namespace weir::system_tests
