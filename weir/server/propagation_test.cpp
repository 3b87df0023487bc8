// What travels with a request arrives where its work is done, whichever way it came.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <umadb/v1/umadb.grpc.pb.h>
#include <weir/v1/log.grpc.pb.h>

#include <tests/support/fake_backend.hpp>
#include <tests/support/one_log_catalog.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/service.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::server {
namespace {

using gateway::testing::HttpClient;
using telemetry::Carried;
using testing_support::FakeBackend;

constexpr const char* traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps whose work the store was asked to do.
class Witness final : public StoreObserver {
 public:
  telemetry::Span begin(std::string_view operation, std::string_view,
                        std::span<const telemetry::Context> requests, Instant) override {
    const std::lock_guard lock(mutex_);
    seen_.emplace_back(std::string(operation), requests.front());
    return telemetry::Span(requests.front());
  }
  void committed(const Commit&) override {}
  void refused(std::string_view, Code) override {}
  void read(const Read&) override {}

  /// The last that there was, which is forgotten; an empty one if there was none.
  std::pair<std::string, telemetry::Context> take() {
    const std::lock_guard lock(mutex_);
    if (seen_.empty()) return {};
    auto last = std::move(seen_.back());
    seen_.clear();
    return last;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, telemetry::Context>> seen_;
};

class Travelling : public ::testing::Test {
 protected:
  Travelling() {
    engine::LogEngineOptions engine;
    engine.committer.observer = &witness_;
    log_ = std::make_shared<engine::Log>(
        std::make_unique<FakeBackend>(), std::make_shared<engine::Tail>(engine::Tail::Options{}),
        engine::TermHasher(1, {}), std::make_shared<engine::Threads>(), system_clock(), engine);
    ServiceOptions options;
    options.grpc.grpc_address = options.http.address = "127.0.0.1:0";
    service_ =
        Service::start(std::make_shared<testing_support::OneLogCatalog>(log_), options).value();
  }
  void expect_arrived(const std::string& operation) {
    const auto [seen, context] = witness_.take();
    EXPECT_EQ(seen, operation);
    EXPECT_EQ(to_string(context.span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    ASSERT_TRUE(context.span.trace_state);
    EXPECT_EQ(*context.span.trace_state, "vendor=x");
    ASSERT_TRUE(context.carried);
    EXPECT_EQ(*context.carried, carried());
  }
  static Carried carried() {
    return {.baggage = {{.key = "tenant", .value = "city library", .properties = ""},
                        {.key = "tier", .value = "gold", .properties = "ttl=5"}},
            .correlation_id = "order-7",
            .causation_id = "event-3"};
  }
  static CallOptions call() {
    CallOptions call;
    call.context.span = *telemetry::parse_traceparent(traceparent);
    call.context.span.trace_state = std::make_shared<const std::string>("vendor=x");
    call.context.carried = std::make_shared<const Carried>(carried());
    return call;
  }
  std::shared_ptr<EventStore> client() const {
    return remote::connect({.target = service_->grpc_address()}).value()->open("default").value();
  }
  std::uint16_t http_port() const {
    const auto address = service_->http_address();
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  static std::string headers() {
    return std::string("Content-Type: application/json\r\ntraceparent: ") + traceparent +
           "\r\ntracestate: vendor=x\r\nbaggage: tenant=city%20library, tier=gold;ttl=5\r\n"
           "X-Correlation-Id: order-7\r\nX-Causation-Id: event-3\r\n";
  }

  Witness witness_;
  std::shared_ptr<engine::Log> log_;
  std::unique_ptr<Service> service_;
};

TEST_F(Travelling, on_a_session_it_arrives) {
  const auto store = client();
  ASSERT_TRUE(store->append({.events = {{.type = "Lent", .data = "{}"}}, .call = call()}));
  expect_arrived("append");
  ASSERT_TRUE(store->head(call()));
  expect_arrived("head");
}

TEST_F(Travelling, on_a_session_it_arrives_from_what_the_thread_is_doing) {
  const auto store = client();
  const telemetry::Scope scope(call().context);
  ASSERT_TRUE(store->append({.events = {{.type = "Lent", .data = "{}"}}}));
  expect_arrived("append");
}

TEST_F(Travelling, with_a_stream_it_arrives) {
  ASSERT_TRUE(client()->read({.call = call()}).collect());
  expect_arrived("read");
}

TEST_F(Travelling, over_http_it_arrives) {
  HttpClient http(http_port());
  EXPECT_EQ(
      http.post("/v1/logs/default/events", R"({"events":[{"type":"Lent","data":{}}]})", headers())
          .status,
      200);
  expect_arrived("append");
  EXPECT_EQ(http.get("/v1/logs/default/events", headers()).status, 200);
  expect_arrived("read");
}

TEST_F(Travelling, by_the_protocol_of_another_store_it_arrives) {
  auto stub = umadb::v1::DCB::NewStub(
      grpc::CreateChannel(service_->grpc_address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.AddMetadata("traceparent", traceparent);
  context.AddMetadata("tracestate", "vendor=x");
  context.AddMetadata("baggage", "tenant=city%20library, tier=gold;ttl=5");
  context.AddMetadata("correlation-id", "order-7");
  context.AddMetadata("causation-id", "event-3");
  umadb::v1::AppendRequest request;
  request.add_events()->set_event_type("Lent");
  umadb::v1::AppendResponse response;
  const auto status = stub->Append(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  expect_arrived("append");
}

}  // namespace
}  // namespace weir::server
