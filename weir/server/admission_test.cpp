#include <weir/server/admission.hpp>

#include <gmock/gmock.h>
#include <weir/v1/log.grpc.pb.h>

#include <future>

#include <tests/support/fake_backend.hpp>
#include <tests/support/one_log_catalog.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/server/service.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using gateway::testing::HttpClient;
using resilience::FakeTime;
using ::testing::HasSubstr;

class AdmissionRates : public ::testing::Test {
 protected:
  std::unique_ptr<Admission> admission(const AdmissionOptions& options) {
    return Admission::create(options, telemetry::no_meter(), time_).value();
  }
  /// Calls of so many bytes that are let through.
  static int calls(Admission& admission, std::string_view client, int count,
                   std::size_t bytes = 0) {
    int admitted = 0;
    for (int i = 0; i < count; ++i) admitted += admission.call(client, bytes).ok() ? 1 : 0;
    return admitted;
  }

  FakeTime time_;
};

TEST_F(AdmissionRates, lets_everybody_in_unless_told_otherwise) {
  const auto open = admission({});
  EXPECT_FALSE(open->by_client());
  EXPECT_EQ(calls(*open, "", 100'000), 100'000);
  EXPECT_EQ(open->calls_under_way(), 0);
}

TEST_F(AdmissionRates, turns_a_client_away_that_makes_more_calls_than_it_may_and_no_other) {
  const auto limited = admission({.calls = AdmissionOptions::Rate{.permits = 10, .burst = 5}});
  EXPECT_EQ(calls(*limited, "192.0.2.1", 20), 5);
  EXPECT_EQ(calls(*limited, "192.0.2.2", 20), 5);
  const auto refused = limited->call("192.0.2.1", 0);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(refused.error().reason, Reason::overloaded);
  EXPECT_EQ(refused.error().retry_after, 100ms);
  time_.advance(300ms);
  EXPECT_EQ(calls(*limited, "192.0.2.1", 20), 3);
}

TEST_F(AdmissionRates, counts_streams_apart_from_calls) {
  const auto limited = admission({.streams = AdmissionOptions::Rate{.permits = 1}});
  EXPECT_TRUE(limited->stream("a", 0));
  EXPECT_EQ(limited->stream("a", 0).error().retry_after, 1s);
  EXPECT_EQ(calls(*limited, "a", 100), 100);
}

TEST_F(AdmissionRates, counts_bytes_of_calls_and_streams_together) {
  const auto limited = admission({.kibibytes = AdmissionOptions::Rate{.permits = 100}});
  EXPECT_TRUE(limited->by_bytes());
  EXPECT_TRUE(limited->call("a", 199 * 1024));
  // It owes as much as grows in a second.
  EXPECT_EQ(limited->call("a", 0).error().retry_after, 1010ms);
  EXPECT_FALSE(limited->stream("a", 0));
  EXPECT_TRUE(limited->call("b", 0));
  time_.advance(1010ms);
  EXPECT_TRUE(limited->call("a", 0));
}

TEST_F(AdmissionRates, bounds_what_is_under_way_at_once) {
  const auto limited = admission({.calls_at_once = 2, .streams_at_once = 1});
  auto first = limited->call("", 0), second = limited->call("", 0);
  EXPECT_TRUE(first && second);
  const auto third = limited->call("", 0);
  EXPECT_EQ(third.error().code, Code::resource_exhausted);
  EXPECT_TRUE(third.error().retry_after);
  EXPECT_EQ(limited->calls_under_way(), 2);
  first->leave();
  EXPECT_TRUE(limited->call("", 0));
  {
    const auto stream = limited->stream("", 0);
    EXPECT_TRUE(stream);
    EXPECT_FALSE(limited->stream("", 0));
  }
  EXPECT_TRUE(limited->stream("", 0));
}

TEST_F(AdmissionRates, follows_what_the_store_can_take_when_told_to) {
  const auto limited = admission({.adaptive = resilience::AdaptiveLimitOptions{
                                      .initial = 3, .limit_min = 1, .limit_max = 10}});
  std::vector<Admission::Ticket> tickets;
  for (int i = 0; i < 10; ++i) {
    if (auto ticket = limited->call("", 0)) tickets.push_back(std::move(*ticket));
  }
  EXPECT_EQ(tickets.size(), 3u);
  EXPECT_EQ(limited->calls_under_way(), 3);
  tickets.clear();
  EXPECT_EQ(limited->calls_under_way(), 0);
}

TEST_F(AdmissionRates, change_while_calls_are_under_way) {
  const auto limited = admission({.calls_at_once = 10});
  auto one = limited->call("a", 0), another = limited->call("a", 0);
  using Rate = AdmissionOptions::Rate;
  ASSERT_TRUE(limited->replace({.calls_at_once = 2, .calls = Rate{.permits = 1}}));
  EXPECT_TRUE(limited->by_client());
  EXPECT_FALSE(limited->call("a", 0)) << "two are under way";
  one->leave();
  EXPECT_FALSE(limited->call("a", 0)) << "its permit is gone";
  EXPECT_TRUE(limited->call("b", 0));
  // A rate that stays remembers.
  ASSERT_TRUE(limited->replace({.calls_at_once = 20, .calls = Rate{.permits = 1}}));
  EXPECT_FALSE(limited->call("a", 0));
  EXPECT_FALSE(limited->replace({.calls_at_once = 0}));
  EXPECT_FALSE(limited->call("a", 0)) << "what was refused has changed nothing";
  ASSERT_TRUE(limited->replace({}));
  EXPECT_TRUE(limited->call("a", 0));
  EXPECT_FALSE(limited->by_client());
}

TEST_F(AdmissionRates, names_the_option_that_is_out_of_range) {
  const auto message = [](const AdmissionOptions& options) {
    return check(options).error().message;
  };
  EXPECT_EQ(message({.calls_at_once = 0}), "calls_at_once: 0, must be from 1 to 1000000");
  EXPECT_EQ(message({.calls = AdmissionOptions::Rate{}}),
            "calls.permits: 0, must be from 1 to 10000000");
  EXPECT_EQ(message({.clients_max = 1}), "clients_max: 1, must be from 16 to 10000000");
}

/// A server over logs in memory.
class AdmittingServer : public ::testing::Test {
 protected:
  void start(ServiceOptions options) {
    options.grpc.grpc_address = options.http.address = "127.0.0.1:0";
    options.reporting = Reporting::create({}).value();
    service_ = Service::start(std::make_shared<weir::testing::MemoryCatalog>(), options).value();
    const auto address = service_->http_address();
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  ~AdmittingServer() override {
    if (service_) service_->shut_down(1s);
  }
  /// Of each client, and then one an hour.
  static ServiceOptions two_calls() {
    ServiceOptions options;
    options.grpc.admission.calls = AdmissionOptions::Rate{.permits = 1, .per = 1h, .burst = 2};
    return options;
  }
  gateway::testing::Answer get_head(std::string_view headers = {}) const {
    return HttpClient(port_).get("/v1/logs/default/head", headers);
  }

  std::unique_ptr<Service> service_;
  std::uint16_t port_ = 0;
};

TEST_F(AdmittingServer, turns_sessions_requests_away_with_a_time_to_wait_and_stays_in_touch) {
  start(two_calls());
  // Opening the log was the first call.
  const auto log =
      remote::connect({.target = service_->grpc_address()}).value()->open("default").value();
  ASSERT_TRUE(log->head());
  for (int i = 0; i < 2; ++i) {
    const auto refused = log->append({.events = {{.type = "T", .data = "{}"}}});
    EXPECT_EQ(refused.error().code, Code::resource_exhausted) << to_string(refused.error());
    ASSERT_TRUE(refused.error().retry_after);
    EXPECT_GT(*refused.error().retry_after, 50min);
  }
}

TEST_F(AdmittingServer, knows_the_clients_of_its_gateway_by_their_address) {
  auto options = two_calls();
  options.http.trust_forwarded = true;
  start(options);
  const auto of = [](const char* client) {
    return std::string("X-Forwarded-For: 203.0.113.9, ") + client + "\r\n";
  };
  for (const auto* client : {"192.0.2.1", "192.0.2.2"}) {
    EXPECT_EQ(get_head(of(client)).status, 200);
    EXPECT_EQ(get_head(of(client)).status, 200);
    const auto refused = get_head(of(client));
    EXPECT_EQ(refused.status, 429);
    EXPECT_GT(std::stoi(refused.headers.at("retry-after")), 3000);
  }
  EXPECT_EQ(get_head("X-Forwarded-For: not an address\r\n").status, 200) << "by its own";
}

TEST_F(AdmittingServer, believes_no_forwarded_address_unless_told_to) {
  start(two_calls());
  EXPECT_EQ(get_head("X-Forwarded-For: 192.0.2.1\r\n").status, 200);
  EXPECT_EQ(get_head("X-Forwarded-For: 192.0.2.2\r\n").status, 200);
  EXPECT_EQ(get_head("X-Forwarded-For: 192.0.2.3\r\nweir-peer: 192.0.2.4\r\n").status, 429);
}

TEST_F(AdmittingServer, believes_nobody_else_who_claims_to_be_its_gateway) {
  start(two_calls());
  const auto channel =
      grpc::CreateChannel(service_->grpc_address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::EventLog::NewStub(channel);
  std::vector<grpc::StatusCode> codes;
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    context.AddMetadata(peer_metadata, "192.0.2." + std::to_string(i));
    v1::HeadResponse response;
    codes.push_back(stub->Head(&context, {}, &response).error_code());
  }
  EXPECT_THAT(codes, ::testing::ElementsAre(grpc::OK, grpc::OK, grpc::RESOURCE_EXHAUSTED));
}

TEST_F(AdmittingServer, never_turns_away_those_who_look_after_it_and_counts_whom_it_does) {
  start(two_calls());
  for (int i = 0; i < 5; ++i) static_cast<void>(get_head());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(HttpClient(port_).get("/health/live").status, 200);
    EXPECT_EQ(HttpClient(port_).get("/health/ready").status, 200);
  }
  EXPECT_THAT(HttpClient(port_).get("/metrics").body,
              HasSubstr("weir_server_rejected_total{weir_limit_name=\"calls\"} 3"));
}

TEST_F(AdmittingServer, bounds_the_other_protocols_it_speaks_too) {
  start(two_calls());
  const auto append = [this] {
    return HttpClient(port_).post("/append", R"({"events":[{"type":"T","tags":[],"data":"x"}]})");
  };
  EXPECT_EQ(append().status, 200);
  EXPECT_EQ(append().status, 200);
  EXPECT_EQ(append().status, 429);
}

}  // namespace
}  // namespace weir::server
