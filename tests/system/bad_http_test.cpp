#include <gmock/gmock.h>

#include <csignal>
#include <ostream>

#include <thread>

#include <weir/gateway/testing/http_client.hpp>

#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using gateway::testing::HttpClient;
using testing::HasSubstr;
using testing_support::ServerProcess;

struct Bad {
  std::string name;
  std::string method;
  std::string target;
  std::string body;
  std::string headers;
  int status;
  /// What the message must name.
  std::string names;
};

void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

constexpr const char* json = "Content-Type: application/json\r\n";
constexpr const char* events = "/v1/logs/default/events";

std::string append_of(const std::string& event) {
  return "{\"events\":[" + event + "]}";
}

std::string many(const std::string& part, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + part;
  return list;
}

std::vector<Bad> bad_requests() {
  const std::string deep(100'000, '[');
  const std::string x1025(1025, 'x');
  std::vector<Bad> bad = {
      {"empty_body", "POST", events, "", json, 400, "body: it is empty"},
      {"huge_body", "POST", events, std::string((32 << 20) + 1, 'x'), json, 413, "33554432"},
      {"wrong_content_type", "POST", events, "{}", "Content-Type: text/plain\r\n", 415,
       "text/plain"},
      {"no_content_type", "POST", events, append_of(R"({"type":"A","data":{}})"), "", 415,
       "Content-Type: missing; expected application/json"},
      {"no_content_type_for_the_benchmark", "POST", "/append",
       append_of(R"({"type":"A","tags":[],"data":""})"), "", 415,
       "Content-Type: missing; expected application/json"},
      {"empty_body_for_the_benchmark", "POST", "/append", "", "", 400, "body: not valid JSON"},
      {"unknown_transfer_encoding", "GET", events, "", "Transfer-Encoding: gzip\r\n", 501,
       "Transfer-Encoding: only chunked is understood, not gzip"},
      {"transfer_encoding_and_length", "POST", events, "{}",
       std::string(json) + "Transfer-Encoding: gzip\r\n", 400, "Transfer-Encoding: not together"},
      {"no_json", "POST", events, "{\"events\":", json, 400, "body: not valid JSON at byte 10"},
      {"no_object", "POST", events, "[]", json, 400, "body: expected an object"},
      {"too_deep", "POST", events, append_of(deep), json, 400, "body: nested deeper than"},
      {"too_deep_payload", "POST", events,
       append_of(R"({"type":"A","data":)" + std::string(129, '[') + std::string(129, ']') + "}"),
       json, 400, "events[0].data: nested deeper than 128 levels"},
      {"malformed_utf8", "POST", events, append_of("{\"type\":\"\xff\"}"), json, 400, "body: "},
      {"surrogate_alone", "POST", events, append_of(R"({"type":"\ud800","data":{}})"), json, 400,
       "body: "},
      {"unknown_field", "POST", events, append_of(R"({"type":"A","colour":1})"), json, 400,
       "events[0].colour: unknown field"},
      {"wrong_type", "POST", events, append_of(R"({"type":7})"), json, 400, "events[0].type"},
      {"no_events", "POST", events, "{}", json, 400, "events: must hold at least one event"},
      {"empty_type", "POST", events, append_of(R"({"type":"","data":{}})"), json, 400,
       "events[0].type: must not be empty"},
      {"long_type", "POST", events, append_of("{\"data\":{},\"type\":\"" + x1025 + "\"}"), json,
       400, "events[0].type: 1025 bytes, the limit is 1024"},
      {"long_tag", "POST", events,
       append_of("{\"data\":{},\"type\":\"A\",\"tags\":[\"a\",\"" + x1025 + "\"]}"), json, 400,
       "events[0].tags[1]: 1025 bytes, the limit is 1024"},
      {"many_tags", "POST", events,
       append_of("{\"data\":{},\"type\":\"A\",\"tags\":[" + many("\"a\"", 257) + "]}"), json, 400,
       "events[0].tags: 257"},
      {"large_data", "POST", events,
       append_of("{\"type\":\"A\",\"data\":\"" + std::string(1 << 20, 'x') + "\"}"), json, 400,
       "events[0].data: 1048578 bytes, the limit is 1048576"},
      {"many_events", "POST", events, append_of(many(R"({"type":"A","data":{}})", 10'001)), json,
       400, "events: 10001 events, the limit is 10000"},
      {"large_append", "POST", events,
       append_of(many("{\"type\":\"A\",\"data\":\"" + std::string(1'000'000, 'x') + "\"}", 5)),
       json, 400, "the limit is 4194304"},
      {"bad_id", "POST", events, append_of(R"({"type":"A","data":{},"id":"7"})"), json, 400,
       "events[0].id"},
      {"bad_time", "POST", events, append_of(R"({"type":"A","data":{},"occurredAt":"noon"})"), json,
       400, "events[0].occurredAt"},
      {"bad_limit", "GET", std::string(events) + "?limit=-1", "", "", 400, "limit: expected"},
      {"bad_position", "GET", std::string(events) + "?after=99999999999999999999", "", "", 400,
       "after: expected"},
      {"large_batch", "GET", std::string(events) + "?batchSize=10001", "", "", 400,
       "batch_size: 10001 is not 1 to 10000"},
      {"empty_batch", "GET", std::string(events) + "?batchSize=0", "", "", 400,
       "batch_size: 0 is not 1 to 10000"},
      {"large_batch_of_a_query", "POST", "/v1/logs/default/events:read", R"({"batchSize":10001})",
       json, 400, "batch_size: 10001 is not 1 to 10000"},
      {"large_batch_of_a_subscription", "GET", "/v1/logs/default/events:subscribe?batchSize=10001",
       "", "", 400, "batch_size: 10001 is not 1 to 10000"},
      {"unknown_parameter", "GET", std::string(events) + "?colour=1", "", "", 400,
       "colour: unknown parameter"},
      {"malformed_utf8_parameter", "GET", std::string(events) + "?types=%ff", "", "", 400,
       "types: not valid UTF-8"},
      {"bad_log_name", "GET", "/v1/logs/No%20Such/events", "", "", 400, "log: 'No Such'"},
      {"bad_name_of_a_new_log", "POST", "/v1/logs", R"({"name":"A"})", json, 400,
       R"("message":"name: 'A' is not a name of 1 to 63)"},
      {"field_of_a_bad_name", "POST", "/v1/logs", R"({"name":""})", json, 400, R"("field":"name")"},
      {"position_past_all", "PUT", "/v1/logs/default/snapshots/p/q",
       R"({"position":"18446744073709551615","data":""})", json, 400,
       "position: 18446744073709551615, the limit is 9223372036854775807"},
      {"unknown_log", "GET", "/v1/logs/missing/events", "", "", 404, "log 'missing'"},
      {"unknown_path", "GET", "/v1/nothing", "", "", 404, "/v1/nothing"},
      {"unknown_method", "DELETE", events, "", "", 405, "DELETE"},
      {"bad_last_event_id", "GET", "/v1/logs/default/events:subscribe", "",
       "Accept: text/event-stream\r\nLast-Event-ID: x\r\n", 400, "Last-Event-ID"},
      {"long_header", "GET", events, "", "X-Long: " + std::string(40'000, 'x') + "\r\n", 431, ""},
  };
  return bad;
}

/// One server for all of them: what one of them breaks, the next finds.
class BadHttp : public testing::TestWithParam<Bad> {
 protected:
  static void SetUpTestSuite() {
    place_ = engines().front().make();
    server_ = std::make_unique<ServerProcess>(ServerProcess::Options{
        .program = testing_support::built_program(), .store = place_->uri()});
  }
  static void TearDownTestSuite() {
    server_->signal(SIGTERM);
    EXPECT_EQ(server_->wait(std::chrono::seconds(8)), 0) << server_->log();
    server_.reset();
    place_.reset();
  }
  static inline std::unique_ptr<Place> place_;
  static inline std::unique_ptr<ServerProcess> server_;
};

TEST_P(BadHttp, is_refused_with_the_right_status_and_a_message_that_names_the_culprit) {
  const auto& bad = GetParam();
  HttpClient http(server_->http_port());
  http.request(bad.method, bad.target, bad.body, bad.headers);
  const auto answer = http.answer();
  EXPECT_EQ(answer.status, bad.status) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(bad.names));
  HttpClient next(server_->http_port());
  EXPECT_EQ(next.get("/health/ready").status, 200) << server_->log();
  EXPECT_THAT(next.get("/v1/logs/default/head").body, HasSubstr("\"position\":0"))
      << "nothing that was refused may be recorded";
}

INSTANTIATE_TEST_SUITE_P(Requests, BadHttp, testing::ValuesIn(bad_requests()),
                         [](const auto& requested) { return requested.param.name; });

// gRPC, by which requests go on, ends a program that gives it what is not printable as metadata.
TEST(HttpServer, goes_on_whatever_bytes_a_client_puts_into_its_headers) {
  const auto place = engines().front().make();
  ServerProcess server({.program = testing_support::built_program(), .store = place->uri()});
  const std::string web("\0\0\0\0\0", 5);
  const std::string web_type = "Content-Type: application/grpc-web\r\n";
  const auto status_of = [&](std::string_view method, std::string_view target,
                             std::string_view body, const std::string& headers) {
    HttpClient http(server.http_port());
    http.request(method, target, body, headers);
    return http.answer(true).status;
  };
  for (const auto* x : {"\t", "\x80", "\xff"}) {
    for (const auto& [travels, header] :
         {std::pair(true, std::string("baggage: a=b;p") + x + "q"),
          std::pair(true, std::string("traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                                      "b7ad6b7169203331-01\r\ntracestate: a=1,") +
                              x + ",b=2"),
          std::pair(true, std::string("correlation-id: a") + x + "b"),
          std::pair(true, std::string("X-Request-Id: a") + x + "b"),
          std::pair(false, std::string("Authorization: Bearer a") + x + "b")}) {
      const auto headers = header + "\r\n";
      const auto expected = travels ? 200 : 400;
      EXPECT_EQ(status_of("GET", events, "", headers), expected) << header;
      EXPECT_EQ(status_of("GET", "/v1/logs/default/events:subscribe", "", headers), expected);
      EXPECT_EQ(status_of("POST", events, append_of(R"({"type":"A","data":{}})"), json + headers),
                expected);
      EXPECT_EQ(status_of("POST", "/weir.v1.EventLog/Head", web, web_type + headers), 200);
      EXPECT_EQ(status_of("POST", "/weir.v1.EventLog/Read", web, web_type + headers), 200);
    }
  }
  EXPECT_EQ(status_of("GET", "/health/ready", "", ""), 200) << server.log();
}

TEST(HttpServer, does_not_grow_by_clients_that_come_and_go_in_the_middle) {
  const auto place = engines().front().make();
  ServerProcess server({.program = testing_support::built_program(), .store = place->uri()});
  HttpClient(server.http_port())
      .post("/v1/logs/default/events", append_of(R"({"type":"A","data":{}})"));
  const auto cycle = [&](int count) {
    for (int i = 0; i < count; ++i) {
      HttpClient http(server.http_port());
      if (i % 3 == 0) {
        http.send(
            "POST /v1/logs/default/events HTTP/1.1\r\nHost: a\r\n"
            "Content-Length: 9999\r\n\r\n{");
      } else {
        http.request("GET", "/v1/logs/default/events:subscribe", {},
                     "Accept: text/event-stream\r\n");
        http.read_until("id: 1");
      }
      http.reset();
    }
  };
  cycle(300);
  const auto before = server.memory();
  cycle(900);
  EXPECT_LT(server.memory(), before + (16 << 20));
  HttpClient http(server.http_port());
  EXPECT_EQ(http.get("/health/ready").status, 200);
}

/// What is kept of a stream whose client takes nothing, in the units of its large events.
class SlowReaders : public testing::TestWithParam<const char*> {};

TEST_P(SlowReaders, cost_a_few_of_the_events_that_they_do_not_take) {
  const auto place = engines().front().make();
  ServerProcess server({.program = testing_support::built_program(), .store = place->uri()});
  const auto event = R"({"type":"A","data":")" + std::string(1'000'000, 'x') + "\"}";
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(HttpClient(server.http_port()).post(events, append_of(event), json).status, 200);
  }
  const auto before = server.memory();
  std::vector<std::unique_ptr<HttpClient>> slow;
  for (int i = 0; i < 50; ++i) {
    slow.push_back(std::make_unique<HttpClient>(server.http_port(), 4096));
    slow.back()->request("GET", GetParam());
  }
  for (auto& client : slow) client->read_until("xxx");
  std::this_thread::sleep_for(std::chrono::seconds(1));  // for what would be read ahead
  EXPECT_LT(server.memory(), before + slow.size() * 4'600'000);
}

INSTANTIATE_TEST_SUITE_P(Targets, SlowReaders,
                         testing::Values("/v1/logs/default/events",
                                         "/v1/logs/default/events:subscribe"));

}  // namespace
}  // namespace weir::system_tests
