#include <weir/server/health.hpp>

#include <gmock/gmock.h>
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <future>
#include <mutex>

#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/held_store_for_tests.hpp>
#include <weir/server/service.hpp>
#include <weir/store/engine/log.hpp>
#include <weir/store/sqlite/store.hpp>
#include <weir/store/testing/memory_store.hpp>

#include <tests/support/fake_backend.hpp>
#include <tests/support/one_log_catalog.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::FakeBackend;
using namespace std::chrono_literals;

/// A log whose backend does as the test says, and what its store says of itself.
class FakeCatalog final : public Catalog {
 public:
  FakeCatalog() {
    auto made = std::make_unique<FakeBackend>();
    backend = made.get();
    log = std::make_shared<engine::Log>(
        std::move(made), std::make_shared<engine::Tail>(engine::Tail::Options{}),
        engine::TermHasher(1, {}), std::make_shared<engine::Threads>(), system_clock(),
        engine::LogEngineOptions{.committer = {.queue_max = 10}});
  }
  Result<std::vector<LogInfo>> list(CallOptions) override { return std::vector{log->info()}; }
  Result<LogInfo> create(const std::string&, const LogOptions&, CallOptions) override {
    return log->info();
  }
  Result<std::shared_ptr<EventStore>> open(const std::string&, CallOptions) override {
    return std::shared_ptr<EventStore>(log);
  }
  std::vector<HealthCheck> health() override { return said; }

  FakeBackend* backend = nullptr;
  std::shared_ptr<engine::Log> log;
  std::vector<HealthCheck> said;
};

class HealthOfALog : public ::testing::Test {
 protected:
  ~HealthOfALog() override {
    catalog_->backend->set_hung(false);
    catalog_->backend->release();
  }

  Health& open(HealthOptions options = {.patience = 500ms, .reuse_for = 0ms}) {
    health_ = std::make_unique<Health>(catalog_, catalog_->log, options, system_clock());
    return *health_;
  }
  HealthReport report() {
    std::promise<HealthReport> promise;
    health_->report([&](const auto& report) { promise.set_value(*report); });
    return promise.get_future().get();
  }
  static const HealthCheck& of(const HealthReport& report, std::string_view name) {
    for (const auto& check : report.checks) {
      if (check.name == name) return check;
    }
    static const HealthCheck none{.name = "none", .status = HealthStatus::unhealthy};
    ADD_FAILURE() << "no check " << name << " in " << to_json(report);
    return none;
  }

  std::shared_ptr<FakeCatalog> catalog_ = std::make_shared<FakeCatalog>();
  std::unique_ptr<Health> health_;
};

TEST_F(HealthOfALog, is_healthy_with_the_head_when_everything_answers) {
  catalog_->backend->append_elsewhere({.type = "A", .data = "{}"});
  open().probe_streams([](Position head, Done<Delivered> done) {
    done(Delivered{.event = head == Position(1), .took = 5ms});
  });
  const auto report = this->report();
  EXPECT_EQ(report.status, HealthStatus::healthy);
  EXPECT_EQ(report.head, Position(1));
  EXPECT_THAT(to_json(report),
              HasSubstr(R"("stream":{"status":"healthy","delivered":"the last event")"
                        R"(,"took_seconds":0.005})"));
  EXPECT_THAT(to_json(report),
              HasSubstr(R"("queue":{"status":"healthy","depth":0,"depth_max":10)"));
}

TEST_F(HealthOfALog, is_unhealthy_while_the_log_cannot_be_read_and_recovers) {
  open();
  catalog_->backend->set_down(true);
  const auto down = report();
  EXPECT_EQ(down.status, HealthStatus::unhealthy);
  EXPECT_EQ(down.head, std::nullopt);
  EXPECT_THAT(of(down, "log").reason, HasSubstr("the fake is down"));
  catalog_->backend->set_down(false);
  EXPECT_EQ(report().status, HealthStatus::healthy);
}

TEST_F(HealthOfALog, answers_within_its_patience_although_the_log_hangs) {
  open();
  catalog_->backend->set_hung(true);
  for (int i = 0; i < 3; ++i) {
    const auto hung = report();
    EXPECT_EQ(hung.status, HealthStatus::unhealthy);
    EXPECT_THAT(of(hung, "log").reason, HasSubstr("did not answer within 500 ms"));
  }
  catalog_->backend->set_hung(false);
  EXPECT_EQ(report().status, HealthStatus::healthy);
}

TEST_F(HealthOfALog, is_unhealthy_when_streams_deliver_nothing) {
  open().probe_streams([](Position, Done<Delivered> done) {
    done(unavailable("the stream ended before it delivered anything"));
  });
  EXPECT_THAT(of(report(), "stream").reason, HasSubstr("ended before it delivered"));
  EXPECT_EQ(report().status, HealthStatus::unhealthy);
  std::vector<Done<Delivered>> never;
  health_->probe_streams([&](Position, Done<Delivered> done) { never.push_back(std::move(done)); });
  EXPECT_THAT(of(report(), "stream").reason, HasSubstr("delivered nothing within 500 ms"));
  EXPECT_THAT(of(report(), "stream").reason, HasSubstr("delivered nothing within 500 ms"));
  EXPECT_EQ(never.size(), 1u) << "one question at a time";
}

TEST_F(HealthOfALog, is_degraded_when_the_queue_is_nearly_full) {
  open();
  catalog_->backend->hold();
  std::vector<std::future<void>> answered;
  const auto append = [&] {
    auto promise = std::make_shared<std::promise<void>>();
    answered.push_back(promise->get_future());
    catalog_->log->append({.events = {{.type = "A", .data = "{}"}}},
                          [promise](const Result<Appended>&) { promise->set_value(); });
  };
  append();
  catalog_->backend->wait_until_held();
  for (int i = 0; i < 7; ++i) append();
  EXPECT_EQ(report().status, HealthStatus::healthy);
  append();
  const auto full = report();
  EXPECT_EQ(full.status, HealthStatus::degraded);
  EXPECT_THAT(of(full, "queue").reason, HasSubstr("8 appends wait, of 10 that may"));
  catalog_->backend->release();
  for (auto& one : answered) one.wait();
}

TEST_F(HealthOfALog, takes_the_stores_word_for_its_own_state) {
  catalog_->said = {{.name = "pool", .data = {{"size", std::int64_t{8}}, {"open", true}}}};
  open();
  EXPECT_EQ(report().status, HealthStatus::healthy);
  catalog_->said.front().worsen(HealthStatus::degraded, "a replica is \"behind\"");
  const auto degraded = report();
  EXPECT_EQ(degraded.status, HealthStatus::degraded);
  EXPECT_THAT(
      to_json(degraded),
      HasSubstr(R"("pool":{"status":"degraded","reason":"a replica is \"behind\"","size":8,)"
                R"("open":true})"));
}

TEST_F(HealthOfALog, answers_again_with_a_young_report) {
  open({.patience = 500ms, .reuse_for = 60s});
  EXPECT_EQ(report().status, HealthStatus::healthy);
  catalog_->backend->set_down(true);
  EXPECT_EQ(report().status, HealthStatus::healthy);
  health_->stop();
  EXPECT_EQ(report().status, HealthStatus::unhealthy) << "whoever stops must not look well";
}

/// Remembers what it was told.
class Told final : public HealthWatcher {
 public:
  void changed(HealthStatus status) override {
    const std::lock_guard lock(mutex_);
    statuses_.push_back(status);
    changed_.notify_all();
  }
  std::vector<HealthStatus> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, [&] { return statuses_.size() >= count; });
    return statuses_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<HealthStatus> statuses_;
};

TEST_F(HealthOfALog, tells_watchers_of_every_change_and_of_nothing_else) {
  open({.patience = 500ms, .reuse_for = 0ms, .watch_every = 10ms});
  const auto told = std::make_shared<Told>();
  health_->watch(told);
  using ::testing::ElementsAre;
  EXPECT_THAT(told->wait_for(1), ElementsAre(HealthStatus::healthy));
  report();
  catalog_->backend->set_down(true);
  EXPECT_THAT(told->wait_for(2), ElementsAre(HealthStatus::healthy, HealthStatus::unhealthy));
  catalog_->backend->set_down(false);
  EXPECT_THAT(told->wait_for(3),
              ElementsAre(HealthStatus::healthy, HealthStatus::unhealthy, HealthStatus::healthy));
}

// The probe began on a server that was gone: nobody waited for one that had not begun.
TEST(Health, begins_no_probe_once_it_was_stopped) {
  testing::MemoryStore memory("default");
  const auto held = std::make_shared<HeldStore>(memory);
  std::atomic<int> probes = 0;
  std::promise<HealthReport> answer;
  Health health(std::make_shared<testing_support::OneLogCatalog>(held), held,
                {.patience = 60s, .reuse_for = 0ms}, system_clock());
  health.probe_streams([&](Position, Done<Delivered> done) {
    ++probes;
    done(Delivered());
  });
  held->hold();
  health.report([&](const auto& report) { answer.set_value(*report); });
  ASSERT_TRUE(gateway::testing::eventually([&] { return held->waiting() == 1; }));
  health.stop();
  held->release();
  EXPECT_EQ(answer.get_future().get().status, HealthStatus::unhealthy);
  EXPECT_EQ(probes, 0);
}

TEST(HealthOptions, name_the_field_that_is_out_of_range) {
  EXPECT_TRUE(check(HealthOptions{}));
  EXPECT_THAT(check({.patience = 9ms}).error().message, HasSubstr("patience: is 9 ms"));
  EXPECT_THAT(check({.watch_every = 0ms}).error().message, HasSubstr("watch_every"));
}

class HealthOfAServer : public ::testing::Test {
 protected:
  HealthOfAServer() {
    auto store =
        sqlite::Store::open({.path = folder_.file("log.db")}, std::make_shared<engine::Threads>());
    catalog_ = *store;
    auto service = Service::start(catalog_, {.grpc = {.grpc_address = "127.0.0.1:0"},
                                             .http = {.address = "127.0.0.1:0"},
                                             .health = {.reuse_for = 0ms}});
    service_ = std::move(*service);
    stub_ = grpc::health::v1::Health::NewStub(
        grpc::CreateChannel(service_->grpc_address(), grpc::InsecureChannelCredentials()));
  }
  gateway::testing::Answer get(std::string_view path) {
    const auto address = service_->http_address();
    const auto port = std::stoi(address.substr(address.rfind(':') + 1));
    return gateway::testing::HttpClient(static_cast<std::uint16_t>(port)).get(path);
  }

  testing_support::TemporaryFolder folder_;
  std::shared_ptr<Catalog> catalog_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
};

TEST_F(HealthOfAServer, proves_by_a_real_stream_that_streams_deliver_and_appends_nothing) {
  EXPECT_THAT(get("/health/ready").body, HasSubstr(R"("delivered":"no event yet")"));
  auto log = catalog_->open("default");
  ASSERT_TRUE((*log)->append({.events = {{.type = "A", .data = "{}"}}}));
  const auto ready = get("/health/ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(ready.body, HasSubstr(R"("delivered":"the last event")"));
  EXPECT_THAT(ready.body, HasSubstr(R"("head":1)"));
  EXPECT_THAT(ready.body, HasSubstr(R"("engine":"sqlite")"));
  EXPECT_THAT(ready.body, HasSubstr(R"("disk_free_bytes":)"));
  EXPECT_EQ(*(*log)->head(), Position(1));
}

TEST_F(HealthOfAServer, says_over_grpc_that_it_serves_until_it_stops) {
  grpc::ClientContext watching;
  watching.set_deadline(std::chrono::system_clock::now() + 10s);
  grpc::health::v1::HealthCheckResponse response;
  const auto stream = stub_->Watch(&watching, {});
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  grpc::ClientContext once;
  ASSERT_TRUE(stub_->Check(&once, {}, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  auto stopped = std::async(std::launch::async, [this] { service_->shut_down(5s); });
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(stream->Read(&response)) << "the stream ends";
  stopped.get();
}

}  // namespace
}  // namespace weir::server
