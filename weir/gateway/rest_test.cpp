#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/gateway/gateway.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/shelf_server.hpp>

namespace weir::gateway {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::eventually;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::ShelfServer;

class Rest : public ::testing::Test {
 protected:
  Rest() : Rest(nullptr) {}
  explicit Rest(const std::function<void(GatewayOptions&)>& change) {
    auto options = shelf_.gateway_options();
    options.routes.push_back({"GET", "/health/live", [](HttpRequest, auto exchange) {
                                exchange->respond({.body = "alive"});
                              }});
    if (change) change(options);
    auto made = Gateway::create(std::move(options));
    EXPECT_TRUE(made) << (made ? "" : to_string(made.error()));
    gateway_ = std::move(made).value();
  }

  HttpClient client() { return HttpClient(gateway_->port()); }
  Answer get(std::string_view target, std::string_view headers = {}) {
    return HttpClient(gateway_->port()).get(target, headers);
  }
  Answer post(std::string_view target, std::string_view body) {
    return HttpClient(gateway_->port()).post(target, body);
  }

  ShelfServer shelf_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(Rest, posts_a_whole_body_with_a_field_from_the_path) {
  const auto answer =
      post("/v1/shelves/s%201/books", R"({"title":"Dune","data":{"n":12345678901234567890123}})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_THAT(answer.body, HasSubstr(R"("shelf":"s 1","title":"Dune")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("data":{"n":12345678901234567890123})"));
}

TEST_F(Rest, gets_with_fields_from_path_and_query) {
  const auto answer = get("/v1/shelves/a/books/b?tags=x&tags=y&details.note=n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("title":"b")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("tags":["x","y"])"));
}

TEST_F(Rest, puts_a_body_of_one_field_and_the_rest_in_the_query) {
  HttpClient client(gateway_->port());
  client.request("PUT", "/v1/shelves/a/books/b:describe?lent=true", R"({"note":"n"})",
                 "Content-Type: application/json\r\n");
  const auto answer = client.answer();
  EXPECT_THAT(answer.body, HasSubstr(R"("details":{"note":"n")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("lent":true)"));
}

TEST_F(Rest, binds_a_variable_of_many_segments) {
  EXPECT_THAT(get("/v1/files/a/b").body, HasSubstr(R"("path":"files/a/b")"));
}

TEST_F(Rest, refuses_bad_requests_naming_what_is_wrong) {
  for (const auto& [answer, message] : std::vector<std::pair<Answer, std::string>>{
           {post("/v1/shelves/a/books", R"({"nosuch":1})"), "nosuch: unknown field"},
           {post("/v1/shelves/a/books", ""), "body: it is empty"},
           {post("/v1/shelves/a/books", "{"), "body: not valid JSON at byte"},
           {post("/v1/shelves/a/books?title=x", "{}"), "title: unknown parameter"},
           {post("/v1/shelves/a/books", R"({"shelf":"b"})"), "shelf: the path says something else"},
           {get("/v1/shelves/a/books/b?nosuch=1"), "nosuch: unknown parameter"},
           {get("/v1/shelves/a/books/b?position=x"), "position: expected an integer"},
           {get("/v1/shelves/%ff/books/b"), "shelf: not valid UTF-8"},
           {get("/v1/wait", "Request-Timeout: soon\r\n"), "Request-Timeout: expected seconds"},
           {get("/v1/wait", "Authorization: \xff\r\n"), "authorization: the header is not"}}) {
    EXPECT_EQ(answer.status, 400) << message;
    EXPECT_THAT(answer.body, HasSubstr(R"("code":"INVALID_ARGUMENT","status":400)"));
    EXPECT_THAT(answer.body, HasSubstr(message));
  }
}

TEST_F(Rest, takes_json_only) {
  HttpClient client(gateway_->port());
  EXPECT_EQ(client.post("/v1/shelves/a/books", "{}", "Content-Type: text/plain\r\n").status, 415);
  EXPECT_EQ(client
                .post("/v1/shelves/a/books", "{}",
                      "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
                .status,
            415);
  EXPECT_EQ(
      client.post("/v1/shelves/a/books", "{}", "Content-Type: Application/JSON; charset=utf-8\r\n")
          .status,
      200);
}

TEST_F(Rest, takes_no_body_without_a_type_which_any_page_may_send_unasked) {
  HttpClient client(gateway_->port());
  for (const auto* headers : {"", "Content-Type:\r\n", "Content-Type: ; charset=utf-8\r\n"}) {
    const auto answer = client.post("/v1/shelves/a/books", "{}", headers);
    EXPECT_EQ(answer.status, 415) << headers;
    EXPECT_THAT(answer.body, HasSubstr("Content-Type: missing; expected application/json"));
  }
  EXPECT_THAT(client.post("/v1/shelves/a/books", "", "").body, HasSubstr("body: it is empty"));
  client.request("PUT", "/v1/shelves/a/books/b:describe", R"({"note":"n"})");
  EXPECT_EQ(client.answer().status, 415);
}

TEST_F(Rest, says_what_a_path_takes) {
  EXPECT_EQ(get("/nowhere").status, 404);
  HttpClient client(gateway_->port());
  client.request("DELETE", "/v1/shelves/a/books/b");
  const auto refused = client.answer();
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at("allow"), "GET, HEAD, OPTIONS");
  client.request("OPTIONS", "/v1/shelves/a/books");
  EXPECT_EQ(client.answer().headers.at("allow"), "OPTIONS, POST");
}

TEST_F(Rest, serves_routes_beside_the_services) {
  EXPECT_EQ(get("/health/live").body, "alive");
  HttpClient client(gateway_->port());
  client.request("HEAD", "/health/live");
  EXPECT_EQ(client.answer(true).status, 200);
  EXPECT_EQ(client.post("/health/live", "").status, 405);
}

TEST_F(Rest, gives_each_grpc_code_its_http_status) {
  const int expected[] = {0,   499, 500, 400, 504, 404, 409, 403, 429,
                          400, 409, 400, 501, 500, 503, 500, 401};
  for (int code = 1; code <= 16; ++code) {
    const auto answer = post("/v1/fail", R"({"code":)" + std::to_string(code) + "}");
    EXPECT_EQ(answer.status, expected[code]) << code;
  }
}

TEST_F(Rest, shows_an_errors_reason_details_and_delay) {
  const auto answer = post("/v1/fail", R"({"code":10,"message":"event 8 \"came\"",
      "reason":"CONDITION_FAILED","metadata":{"position":"8"},"retryMilliseconds":1250})");
  EXPECT_EQ(answer.headers.at("retry-after"), "2");
  EXPECT_EQ(answer.body,
            R"({"error":{"code":"ABORTED","status":409,"message":"event 8 \"came\"",)"
            R"("reason":"CONDITION_FAILED","details":{"position":"8"},"retryAfterSeconds":1.25}})");
}

TEST_F(Rest, passes_on_authorization_and_traceparent) {
  get("/v1/shelves/a/books/b",
      "Authorization: Bearer k\r\nX-Other: x\r\n"
      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n");
  const auto metadata = shelf_.last_metadata();
  EXPECT_THAT(metadata, HasSubstr("authorization=Bearer k\n"));
  EXPECT_THAT(metadata, HasSubstr("traceparent=00-0af7651916cd43dd8448eb211c80319c-"
                                  "b7ad6b7169203331-01\n"));
}

TEST_F(Rest, keeps_a_deadline) {
  const auto answer = get("/v1/wait", "Request-Timeout: 0.1\r\n");
  EXPECT_EQ(answer.status, 504);
  EXPECT_THAT(answer.body, HasSubstr(R"("reason":"DEADLINE_PASSED")"));
  EXPECT_TRUE(eventually([&] { return shelf_.waiting() == 0; }));
}

TEST_F(Rest, leads_a_browser_from_the_root_to_its_page) {
  HttpClient client(gateway_->port());
  const auto answer = client.get("/");
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.headers.at("location"), "/docs");
  client.request("HEAD", "/");
  EXPECT_EQ(client.answer(true).status, 302);
  EXPECT_EQ(client.post("/", "{}").status, 405);
  EXPECT_EQ(client.get("//").status, 404);
}

TEST_F(Rest, cancels_the_call_of_a_client_that_goes_away) {
  HttpClient client(gateway_->port());
  client.request("GET", "/v1/wait");
  ASSERT_TRUE(eventually([&] { return shelf_.waiting() == 1; }));
  client.close();
  EXPECT_TRUE(eventually([&] { return shelf_.cancelled() == 1; }));
}

TEST_F(Rest, answers_a_huge_body) {
  const std::string data = '"' + std::string(20 << 20, 'x') + '"';
  const auto answer = post("/v1/shelves/a/books", R"({"data":)" + data + "}");
  EXPECT_EQ(answer.status, 200);
  EXPECT_GT(answer.body.size(), data.size());
}

TEST_F(Rest, answers_pipelined_calls_in_order) {
  HttpClient client(gateway_->port());
  for (int i = 0; i < 50; ++i) {
    client.request("GET", "/v1/shelves/a/books/" + std::to_string(i));
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(client.answer().body, HasSubstr(R"("title":")" + std::to_string(i) + '"'));
  }
}

class ShortDeadline : public Rest {
 protected:
  ShortDeadline() : Rest([](GatewayOptions& o) { o.unary_timeout = 100ms; }) {}
};

TEST_F(ShortDeadline, ends_a_unary_call_without_its_own) {
  EXPECT_EQ(get("/v1/wait").status, 504);
}

TEST(Gateway, names_the_service_it_does_not_know) {
  ShelfServer shelf;
  auto options = shelf.gateway_options();
  options.services = {"no.such.Service"};
  const auto made = Gateway::create(std::move(options));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("services: 'no.such.Service'"));
}

}  // namespace
}  // namespace weir::gateway
