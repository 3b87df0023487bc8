#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include <weir/gateway/http_server.hpp>
#include <weir/gateway/testing/http_client.hpp>

namespace weir::gateway {
namespace {

using ::testing::HasSubstr;
using testing::HttpClient;
using ::testing::Not;

/// What is decided by a request's head, before its body is read.
class Head : public ::testing::Test {
 protected:
  void serve(HttpOptions options) {
    options.address = "127.0.0.1:0";
    auto made = HttpServer::create(
        std::move(options),
        [this](const HttpRequest& request, const std::shared_ptr<Exchange>& exchange) {
          ++handled_;
          exchange->respond({.body = request.method + " " + std::string(request.header("X-A"))});
        });
    ASSERT_TRUE(made) << made.error().message;
    server_ = std::move(*made);
  }
  std::uint16_t port() const { return server_->port(); }
  /// The head of an answer to what is sent.
  std::string answer_to(const std::string& request) const {
    HttpClient client(port());
    client.send(request);
    return client.read_until("\r\n\r\n");
  }

  std::unique_ptr<HttpServer> server_;
  std::atomic<int> handled_ = 0;
};

HttpOptions nobody_unknown() {
  return {.before_body = [](const HttpRequest& head) {
    const bool known = head.header("Authorization") == "Bearer good" && head.path == "/a";
    return known ? std::nullopt : std::optional(HttpResponse{.status = 401});
  }};
}

// Up to the limit of 32 MiB it was read, and kept, before anybody asked whose it was.
TEST_F(Head, refuses_a_body_before_it_comes) {
  serve(nobody_unknown());
  const std::string length = "Content-Length: 1000000\r\n\r\n";
  HttpClient client(port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\n" + length);
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  client.half_close();
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(answer_to("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + length),
              HasSubstr("HTTP/1.1 401 "));
  EXPECT_THAT(answer_to("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
              HasSubstr("HTTP/1.1 401 "));
  EXPECT_EQ(handled_, 0);
}

TEST_F(Head, that_was_refused_is_told_of_with_what_it_asked_for) {
  auto options = nobody_unknown();
  std::atomic<int> told = 0;
  options.on_response = [&](const HttpSummary& summary) {
    EXPECT_EQ(summary.status, 401);
    EXPECT_EQ(summary.method, "POST");
    EXPECT_EQ(summary.path, "/a");
    ++told;
  };
  serve(std::move(options));
  EXPECT_EQ(HttpClient(port()).post("/a", "body").status, 401);
  EXPECT_TRUE(testing::eventually([&] { return told == 1; }));
  server_.reset();
}

TEST_F(Head, lets_a_body_in_that_may_come_and_asks_of_no_request_without_one) {
  serve(nobody_unknown());
  HttpClient client(port());
  EXPECT_EQ(client.post("/a", "body", "Authorization: Bearer good\r\n").status, 200);
  EXPECT_EQ(client.get("/a").status, 200);
  EXPECT_EQ(client.post("/a", "").status, 200);
}

TEST_F(Head, says_whose_a_request_is_once_at_most) {
  serve({});
  const auto answer =
      HttpClient(port()).get("/", "Authorization: Bearer a\r\nauthorization: Bearer b\r\n");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("Authorization: a request has this header once at most"));
  EXPECT_EQ(handled_, 0);
}

// What comes behind a body was taken for headers too.
TEST_F(Head, is_not_added_to_by_what_comes_behind_the_body) {
  serve({});
  HttpClient client(port());
  client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: behind\r\n\r\n");
  EXPECT_EQ(client.answer().body, "POST ");
}

TEST_F(Head, tells_listed_pages_of_refusals_and_others_nothing) {
  serve({.header_bytes_max = 1024,
         .body_bytes_max = 10,
         .cors_origins = {"https://a.example", "https://b.example"}});
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n";
  const auto allowed = HasSubstr("Access-Control-Allow-Origin: https://a.example\r\n");
  for (const auto& [more, status] :
       {std::pair("Content-Length: 11\r\n\r\n", " 413 "), std::pair("Expect: x\r\n\r\n", " 417 "),
        std::pair("Transfer-Encoding: gzip\r\n\r\n", " 501 ")}) {
    EXPECT_THAT(answer_to(head + more), ::testing::AllOf(HasSubstr(status), allowed));
  }
  EXPECT_THAT(answer_to(head + "X-Long: " + std::string(2000, 'x') + "\r\n\r\n"),
              ::testing::AllOf(HasSubstr(" 431 "), allowed));
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://c.example\r\n\r\n"),
              Not(HasSubstr("Access-Control")));
}

TEST_F(Head, is_told_of_no_origin_that_an_earlier_request_came_from) {
  serve({.body_bytes_max = 10, .cors_origins = {"https://a.example"}});
  HttpClient client(port());
  EXPECT_EQ(
      client.get("/", "Origin: https://a.example\r\n").headers.at("access-control-allow-origin"),
      "https://a.example");
  const auto refused = client.post("/", "more than ten");
  EXPECT_EQ(refused.status, 413);
  EXPECT_FALSE(refused.headers.contains("access-control-allow-origin"));
}

}  // namespace
}  // namespace weir::gateway
