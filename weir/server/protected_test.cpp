#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <umadb/v1/umadb.grpc.pb.h>
#include <weir/v1/log.grpc.pb.h>

#include <future>

#include <weir/base/random.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/rpc/start.hpp>
#include <weir/server/service.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using gateway::testing::eventually;
using gateway::testing::HttpClient;
using ::testing::HasSubstr;

/// A whole service over logs in memory, with tokens that have rights on "orders" alone.
class Protected : public ::testing::Test {
 protected:
  Protected() {
    rpc::start_grpc();
    EXPECT_TRUE(catalog_->create("orders", {}, {}));
    ServiceOptions options;
    options.grpc.grpc_address = options.http.address = "127.0.0.1:0";
    options.grpc.access = access_;
    options.reporting = reporting_;
    options.metrics = options.docs = ServiceOptions::OpenTo::tokens;
    service_ = Service::start(catalog_, options).value();
    channel_ = grpc::CreateChannel(service_->grpc_address(), grpc::InsecureChannelCredentials());
    stub_ = v1::EventLog::NewStub(channel_);
  }

  static security::NewToken make(security::Rights rights) {
    static std::uint64_t id = 0;
    return security::make_token({.name = "test", .rights = std::move(rights)}, system_clock().now(),
                                random_secret(), ++id)
        .value();
  }
  static security::Tokens tokens(const std::vector<security::NewToken>& made) {
    security::Tokens out;
    for (const auto& each : made) EXPECT_TRUE(out.add(each.token));
    return out;
  }
  /// The store as a client with this token sees it.
  Result<std::shared_ptr<EventStore>> open(const std::string& token,
                                           const std::string& log = "orders") {
    auto client =
        remote::connect({.target = service_->grpc_address(), .credentials = {.token = token}});
    if (!client) return client.error();
    return (*client)->open(log);
  }
  template <class Call>
  grpc::StatusCode grpc_code(const std::string& token, Call call) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 10s);
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    return call(context).error_code();
  }
  std::uint16_t http_port() const {
    const auto address = service_->http_address();
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }
  static std::string bearer(const security::NewToken& token) {
    return "Authorization: Bearer " + token.secret + "\r\n";
  }

  const security::NewToken reader_ = make({.read = {"orders"}});
  const security::NewToken writer_ = make({.append = {"orders"}});
  const security::NewToken owner_ = make({.read = {"*"}, .append = {"*"}, .admin = {"team-*"}});
  const std::vector<security::NewToken> all_ = {reader_, writer_, owner_};
  std::shared_ptr<Reporting> reporting_ = Reporting::create({}).value();
  std::mutex mutex_;
  /// Of the request whose line is written, a line each.
  std::vector<std::string> correlation_ids_;
  std::shared_ptr<Access> access_ = std::make_shared<Access>(
      AccessOptions{.tokens = tokens(all_),
                    .meter = reporting_->telemetry().meter,
                    .log = [this](const std::string&) {
                      const std::lock_guard lock(mutex_);
                      correlation_ids_.emplace_back(telemetry::current_context().correlation_id());
                    }});
  std::shared_ptr<testing::MemoryCatalog> catalog_ = std::make_shared<testing::MemoryCatalog>();
  std::unique_ptr<Service> service_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::EventLog::Stub> stub_;
};

const AppendRequest one_event{.events = {{.type = "A", .tags = {}, .data = "{}"}}};

TEST_F(Protected, every_unary_call_and_stream_wants_a_token_and_a_right) {
  const auto expect = [&](const char* name, grpc::StatusCode reader, grpc::StatusCode writer,
                          auto call) {
    EXPECT_EQ(grpc_code("", call), grpc::StatusCode::UNAUTHENTICATED) << name;
    EXPECT_EQ(grpc_code("weir_00000001_x", call), grpc::StatusCode::UNAUTHENTICATED) << name;
    EXPECT_EQ(grpc_code(reader_.secret, call), reader) << name;
    EXPECT_EQ(grpc_code(writer_.secret, call), writer) << name;
  };
  constexpr auto ok = grpc::StatusCode::OK;
  constexpr auto denied = grpc::StatusCode::PERMISSION_DENIED;
  expect("Append", denied, ok, [&](grpc::ClientContext& context) {
    v1::AppendRequest request;
    v1::AppendResponse response;
    request.set_log("orders");
    auto& event = *request.add_events();
    event.set_type("A");
    event.set_data("{}");
    return stub_->Append(&context, request, &response);
  });
  expect("Head", ok, denied, [&](grpc::ClientContext& context) {
    v1::HeadRequest request;
    v1::HeadResponse response;
    request.set_log("orders");
    return stub_->Head(&context, request, &response);
  });
  expect("GetLog", ok, denied, [&](grpc::ClientContext& context) {
    v1::GetLogRequest request;
    v1::Log response;
    request.set_log("orders");
    return stub_->GetLog(&context, request, &response);
  });
  expect("CreateLog", denied, denied, [&](grpc::ClientContext& context) {
    v1::CreateLogRequest request;
    v1::Log response;
    request.set_name("team-a");
    return stub_->CreateLog(&context, request, &response);
  });
  expect("SaveSnapshot", denied, ok, [&](grpc::ClientContext& context) {
    v1::SaveSnapshotRequest request;
    v1::SaveSnapshotResponse response;
    request.set_log("orders");
    request.set_projection("p");
    request.set_query_hash("q");
    request.set_data("x");
    return stub_->SaveSnapshot(&context, request, &response);
  });
  expect("LoadSnapshot", ok, denied, [&](grpc::ClientContext& context) {
    v1::LoadSnapshotRequest request;
    v1::Snapshot response;
    request.set_log("orders");
    request.set_projection("p");
    request.set_query_hash("q");
    return stub_->LoadSnapshot(&context, request, &response);
  });
  expect("DeleteSnapshot", denied, ok, [&](grpc::ClientContext& context) {
    v1::DeleteSnapshotRequest request;
    v1::DeleteSnapshotResponse response;
    request.set_log("orders");
    request.set_projection("p");
    request.set_query_hash("q");
    return stub_->DeleteSnapshot(&context, request, &response);
  });
  expect("GetTracking", ok, denied, [&](grpc::ClientContext& context) {
    v1::GetTrackingRequest request;
    v1::GetTrackingResponse response;
    request.set_log("orders");
    request.set_source("s");
    return stub_->GetTracking(&context, request, &response);
  });
  expect("Read", ok, denied, [&](grpc::ClientContext& context) {
    v1::ReadRequest request;
    v1::ReadResponse response;
    request.set_log("orders");
    const auto stream = stub_->Read(&context, request);
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  });
  expect("Subscribe", grpc::StatusCode::CANCELLED, denied, [&](grpc::ClientContext& context) {
    v1::SubscribeRequest request;
    v1::SubscribeResponse response;
    request.set_log("orders");
    const auto stream = stub_->Subscribe(&context, request);
    if (stream->Read(&response)) context.TryCancel();
    return stream->Finish();
  });
  EXPECT_EQ(grpc_code(owner_.secret,
                      [&](grpc::ClientContext& context) {
                        v1::CreateLogRequest request;
                        v1::Log response;
                        request.set_name("team-a");
                        return stub_->CreateLog(&context, request, &response);
                      }),
            ok);
}

TEST_F(Protected, the_list_shows_the_logs_that_the_token_is_for) {
  const auto names = [&](const security::NewToken& token) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + token.secret);
    v1::ListLogsResponse response;
    EXPECT_TRUE(stub_->ListLogs(&context, {}, &response).ok());
    std::vector<std::string> out;
    for (const auto& log : response.logs()) out.push_back(log.name());
    return out;
  };
  EXPECT_THAT(names(reader_), ::testing::ElementsAre("orders"));
  EXPECT_THAT(names(owner_), ::testing::UnorderedElementsAre("default", "orders"));
}

TEST_F(Protected, each_request_of_a_session_is_judged_by_its_own_log_and_right) {
  auto client = remote::connect(
      {.target = service_->grpc_address(), .credentials = {.token = reader_.secret}});
  ASSERT_TRUE(client);
  const auto orders = (*client)->open("orders");
  ASSERT_TRUE(orders) << orders.error().message;
  EXPECT_TRUE((*orders)->head());
  const auto appended = (*orders)->append(one_event);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Code::permission_denied);
  EXPECT_EQ(appended.error().reason, Reason::right_missing);
  EXPECT_TRUE((*orders)->head()) << "one that is denied must not take the others down";
  EXPECT_EQ((*client)->open("default").error().code, Code::permission_denied);
}

TEST_F(Protected, a_session_without_a_good_token_does_not_begin) {
  for (const std::string token : {"", "weir_00000001_x"}) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
    const auto session = stub_->Session(&context);
    v1::SessionRequests requests;
    requests.add_requests()->mutable_head()->set_log("orders");
    session->Write(requests);
    v1::SessionResponses responses;
    EXPECT_FALSE(session->Read(&responses));
    EXPECT_EQ(session->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
}

TEST_F(Protected, two_tokens_in_one_call_are_none) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + reader_.secret);
  context.AddMetadata("authorization", "Bearer " + writer_.secret);
  v1::HeadRequest request;
  v1::HeadResponse response;
  request.set_log("orders");
  EXPECT_EQ(stub_->Head(&context, request, &response).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(Protected, streams_end_at_once_when_their_token_is_revoked_and_others_go_on) {
  const auto subscribe = [&](grpc::ClientContext& context, const security::NewToken& token) {
    context.AddMetadata("authorization", "Bearer " + token.secret);
    v1::SubscribeRequest request;
    request.set_log("orders");
    auto stream = stub_->Subscribe(&context, request);
    v1::SubscribeResponse response;
    EXPECT_TRUE(stream->Read(&response));
    return stream;
  };
  grpc::ClientContext revoked_context, kept_context, session_context;
  const auto revoked = subscribe(revoked_context, reader_);
  const auto kept = subscribe(kept_context, owner_);
  session_context.AddMetadata("authorization", "Bearer " + reader_.secret);
  const auto session = stub_->Session(&session_context);
  v1::SessionRequests requests;
  requests.add_requests()->mutable_head()->set_log("orders");
  session->Write(requests);
  v1::SessionResponses responses;
  EXPECT_TRUE(session->Read(&responses));

  access_->replace(tokens({writer_, owner_}));
  const auto begun = system_clock().instant();
  v1::SubscribeResponse response;
  while (revoked->Read(&response)) {
  }
  EXPECT_EQ(revoked->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_FALSE(session->Read(&responses));
  EXPECT_EQ(session->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_LT(system_clock().instant() - begun, 5s);
  ASSERT_TRUE(catalog_->open("orders", {}).value()->append(one_event));
  EXPECT_TRUE(kept->Read(&response)) << "the other's stream goes on";
  kept_context.TryCancel();
  while (kept->Read(&response)) {
  }
  EXPECT_EQ(kept->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(Protected, the_foreign_protocol_wants_the_same) {
  const auto other = ::umadb::v1::DCB::NewStub(channel_);
  const auto head = [&](const std::string& log) {
    return [&, log](grpc::ClientContext& context) {
      context.AddMetadata("weir-log", log);
      ::umadb::v1::HeadResponse response;
      return other->Head(&context, {}, &response);
    };
  };
  EXPECT_EQ(grpc_code("", head("orders")), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(grpc_code(reader_.secret, head("orders")), grpc::StatusCode::OK);
  EXPECT_EQ(grpc_code(reader_.secret, head("default")), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(grpc_code(writer_.secret, head("orders")), grpc::StatusCode::PERMISSION_DENIED);
  const auto append = [&](grpc::ClientContext& context) {
    context.AddMetadata("weir-log", "orders");
    ::umadb::v1::AppendRequest request;
    request.add_events()->set_event_type("A");
    ::umadb::v1::AppendResponse response;
    return other->Append(&context, request, &response);
  };
  EXPECT_EQ(grpc_code(reader_.secret, append), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(grpc_code(writer_.secret, append), grpc::StatusCode::OK);
}

TEST_F(Protected, http_wants_a_token_and_says_so) {
  HttpClient http(http_port());
  const auto none = http.get("/v1/logs/orders/head");
  EXPECT_EQ(none.status, 401);
  EXPECT_THAT(none.headers.at("www-authenticate"), HasSubstr("Bearer"));
  EXPECT_THAT(none.body, HasSubstr("TOKEN_NEEDED"));
  EXPECT_EQ(http.get("/v1/logs/orders/head", "Authorization: garbage\r\n").status, 401);
  EXPECT_EQ(http.get("/v1/logs/orders/head", bearer(reader_)).status, 200);
  const auto lacking = http.get("/v1/logs/default/head", bearer(reader_));
  EXPECT_EQ(lacking.status, 403);
  EXPECT_THAT(lacking.body, HasSubstr("RIGHT_MISSING"));
  const auto append = [&](const security::NewToken& token) {
    return http.post("/v1/logs/orders/events", R"({"events":[{"type":"A","data":{}}]})",
                     "Content-Type: application/json\r\n" + bearer(token));
  };
  EXPECT_EQ(append(reader_).status, 403);
  EXPECT_EQ(append(writer_).status, 200);
  for (const auto* path : {"/health/live", "/health/ready"}) {
    EXPECT_EQ(http.get(path).status, 200) << path;
  }
  for (const auto* path : {"/metrics", "/docs", "/openapi.json"}) {
    EXPECT_EQ(http.get(path).status, 401) << path;
    EXPECT_EQ(http.get(path, bearer(writer_)).status, 200) << path;
  }
}

TEST_F(Protected, the_routes_of_the_benchmark_want_the_rights_on_the_default_log) {
  HttpClient http(http_port());
  const auto read = "/read?query={%22items%22:[]}";
  EXPECT_EQ(http.get(read).status, 401);
  EXPECT_EQ(http.get(read, bearer(reader_)).status, 403);
  EXPECT_EQ(http.get(read, bearer(owner_)).status, 200);
  const std::string body = R"({"events":[{"type":"A","tags":[],"data":"{}"}]})";
  EXPECT_EQ(HttpClient(http_port()).post("/append", body).status, 401);
  EXPECT_EQ(
      http.post("/append", body, "Content-Type: application/json\r\n" + bearer(writer_)).status,
      403);
  EXPECT_EQ(
      http.post("/append", body, "Content-Type: application/json\r\n" + bearer(owner_)).status,
      200);
}

TEST_F(Protected, a_stream_of_events_for_browsers_takes_its_token_from_the_address) {
  const auto path = "/v1/logs/orders/events:subscribe?access_token=";
  // A subscription is one even for who accepts whatever comes.
  for (const auto* accept : {"Accept: text/event-stream\r\n", ""}) {
    HttpClient http(http_port());
    http.request("GET", path + reader_.secret, {}, accept);
    EXPECT_THAT(http.read_until("\r\n\r\n"), HasSubstr("200 OK"));
  }
  HttpClient wrong(http_port());
  wrong.request("GET", path + std::string("x"), {}, "Accept: text/event-stream\r\n");
  EXPECT_EQ(wrong.answer().status, 401);
  // Elsewhere it would only end up in more logs.
  EXPECT_EQ(
      HttpClient(http_port()).get("/v1/logs/orders/head?access_token=" + reader_.secret).status,
      400);
  const auto status = [&](const std::string& of) {
    return HttpClient(http_port())
        .get(of + "?access_token=" + owner_.secret, "Accept: text/event-stream\r\n")
        .status;
  };
  for (const auto* path : {"/v1/logs", "/v1/logs/orders/snapshots/p/h"}) {
    EXPECT_EQ(status(path), 400) << path;
  }
  for (const auto* path : {"/docs", "/openapi.json", "/metrics"}) EXPECT_EQ(status(path), 401);
}

TEST_F(Protected, a_body_that_nobody_known_sends_is_not_read) {
  HttpClient http(http_port());
  http.send("POST /v1/logs/orders/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n");
  const auto answer = http.answer();
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(answer.body, HasSubstr("a bearer token is needed"));
  EXPECT_EQ(answer.headers.at("www-authenticate"), "Bearer");
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

TEST_F(Protected, the_servers_own_look_at_its_streams_needs_nobodys_token) {
  HttpClient http(http_port());
  EXPECT_TRUE(eventually([&] { return http.get("/health/ready").status == 200; }))
      << http.get("/health/ready").body;
  EXPECT_THAT(http.get("/health/ready").body, ::testing::Not(HasSubstr("TOKEN")));
  EXPECT_THAT(http.get("/health/ready").body, ::testing::Not(HasSubstr("checks")))
      << "the details are for who has a token";
  EXPECT_THAT(http.get("/health/ready", bearer(reader_)).body, HasSubstr("checks"))
      << "any token, whatever log it is for";
  EXPECT_THAT(http.get("/metrics", bearer(owner_)).body,
              ::testing::Not(HasSubstr("weir_access_denied_total{")));
}

TEST_F(Protected, denied_calls_are_logged_with_the_ids_of_their_requests) {
  auto append = one_event;
  append.call.context.carried =
      std::make_shared<const telemetry::Carried>(telemetry::Carried{.correlation_id = "session"});
  const auto reader = open(reader_.secret);
  ASSERT_TRUE(reader);
  EXPECT_FALSE((*reader)->append(append));
  grpc_code(writer_.secret, [&](grpc::ClientContext& context) {
    context.AddMetadata("correlation-id", "stream");
    v1::ReadRequest request;
    v1::ReadResponse response;
    request.set_log("orders");
    const auto stream = stub_->Read(&context, request);
    EXPECT_FALSE(stream->Read(&response));
    return stream->Finish();
  });
  grpc_code(reader_.secret, [&](grpc::ClientContext& context) {
    context.AddMetadata("correlation-id", "unary");
    v1::AppendRequest request;
    v1::AppendResponse response;
    request.set_log("orders");
    return stub_->Append(&context, request, &response);
  });
  HttpClient http(http_port());
  EXPECT_EQ(http.get("/v1/logs/orders/head", "X-Correlation-Id: rest\r\n").status, 401);
  EXPECT_EQ(http.get("/metrics", "X-Correlation-Id: page\r\n").status, 401);
  const std::lock_guard lock(mutex_);
  EXPECT_THAT(correlation_ids_,
              ::testing::IsSupersetOf({"session", "stream", "unary", "rest", "page"}));
}

TEST_F(Protected, denied_calls_show_in_the_metrics) {
  HttpClient http(http_port());
  for (int i = 0; i < 3; ++i) http.get("/v1/logs/default/head", bearer(reader_));
  EXPECT_THAT(http.get("/metrics", bearer(owner_)).body,
              HasSubstr("weir_access_denied_total{error_type=\"right\"} 3"));
}

TEST(Exposure, without_tokens_only_this_machine_may_reach_a_server) {
  rpc::start_grpc();
  /// What comes after the check.
  class Opened final : public Catalog {
    Result<std::vector<LogInfo>> list(CallOptions) override { return unavailable("listed"); }
    Result<LogInfo> create(const std::string&, const LogOptions&, CallOptions) override {
      return unavailable("created");
    }
    Result<std::shared_ptr<EventStore>> open(const std::string&, CallOptions) override {
      return unavailable("opened");
    }
  };
  const auto start = [](const ServiceOptions& options) {
    return Service::start(std::make_shared<Opened>(), options);
  };
  ServiceOptions options;
  options.grpc.grpc_address = "0.0.0.0:0";
  options.http.address = "127.0.0.1:0";
  auto refused = start(options);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("grpc.address: others could reach 0.0.0.0:0"));
  EXPECT_THAT(refused.error().details.at("remedy"), HasSubstr("weir token create"));
  options.grpc.grpc_address = "127.0.0.1:0";
  options.http.address = "[::]:0";
  refused = start(options);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("http.address"));
  options.http.address = "0.0.0.0:0";
  options.listen_unprotected = true;
  EXPECT_EQ(start(options).error().message, "opened");
  options.listen_unprotected = false;
  options.grpc.access = std::make_shared<Access>(AccessOptions{.tokens = security::Tokens()});
  EXPECT_EQ(start(options).error().message, "opened");
}

}  // namespace
}  // namespace weir::server
