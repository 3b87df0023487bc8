#include <weir/gateway/http_server.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include <weir/gateway/testing/http_client.hpp>

namespace weir::gateway {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using ::testing::HasSubstr;
using testing::HttpClient;

/// Answers with "METHOD path?query:body".
void echo(HttpRequest request, const std::shared_ptr<Exchange>& exchange) {
  exchange->respond(
      {.headers = {{"Content-Type", "text/plain"}},
       .body = request.method + " " + request.path + "?" + request.query + ":" + request.body});
}

std::unique_ptr<HttpServer> serve(HttpOptions options = {}, Handler handler = echo) {
  options.address = "127.0.0.1:0";
  auto server = HttpServer::create(std::move(options), std::move(handler));
  EXPECT_TRUE(server) << (server ? "" : to_string(server.error()));
  return std::move(server).value();
}

TEST(HttpServer, keeps_a_connection_for_many_requests) {
  const auto server = serve();
  HttpClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.post("/a?b=c", "body");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "POST /a?b=c:body");
  }
  EXPECT_EQ(server->stats().connections_open, 1);
  EXPECT_EQ(server->stats().requests, 3);
}

TEST(HttpServer, answers_pipelined_requests_in_order) {
  const auto server = serve();
  HttpClient client(server->port());
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.send(all);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(client.answer().body, "GET /" + std::to_string(i) + "?:");
  }
}

TEST(HttpServer, answers_a_pipelined_request_only_after_the_slow_one_before_it) {
  std::promise<std::shared_ptr<Exchange>> slow;
  const auto server = serve({}, [&](HttpRequest request, std::shared_ptr<Exchange> exchange) {
    if (request.path == "/slow") return slow.set_value(std::move(exchange));
    echo(std::move(request), exchange);
  });
  HttpClient client(server->port());
  client.request("GET", "/slow");
  auto exchange = slow.get_future().get();
  client.request("GET", "/fast");
  exchange->respond({.body = "slow"});
  EXPECT_EQ(client.answer().body, "slow");
  EXPECT_EQ(client.answer().body, "GET /fast?:");
}

TEST(HttpServer, answers_a_client_that_has_closed_its_side) {
  std::promise<std::shared_ptr<Exchange>> waiting;
  const auto server = serve({}, [&](HttpRequest, std::shared_ptr<Exchange> exchange) {
    waiting.set_value(std::move(exchange));
  });
  HttpClient client(server->port());
  client.request("GET", "/");
  client.half_close();
  auto exchange = waiting.get_future().get();
  std::this_thread::sleep_for(600ms);  // longer than the server's patience with a silent side
  exchange->respond({.body = "late"});
  EXPECT_EQ(client.answer().body, "late");
  EXPECT_TRUE(client.closed());
}

// Finding out whether the client is there took the place of the head.
TEST(HttpServer, sends_the_head_of_a_silent_stream_to_a_client_that_has_closed_its_side) {
  std::shared_ptr<Exchange> kept;
  const auto server = serve({}, [&](HttpRequest, std::shared_ptr<Exchange> exchange) {
    exchange->begin({.headers = {{"Content-Type", "text/plain"}}}, 500ms);
    kept = std::move(exchange);
  });
  HttpClient client(server->port());
  client.request("GET", "/");
  client.half_close();
  EXPECT_THAT(client.read_until("text/plain"), HasSubstr("200 OK"));
}

class Leaving : public ::testing::TestWithParam<bool> {};

TEST_P(Leaving, tells_the_exchange_of_a_client_that_goes_away) {
  std::promise<void> gone;
  std::shared_ptr<Exchange> kept;
  std::promise<void> arrived;
  const auto server = serve({}, [&](HttpRequest, std::shared_ptr<Exchange> exchange) {
    exchange->on_ending([&](Ending ending) {
      if (ending == Ending::client_gone) gone.set_value();
    });
    kept = std::move(exchange);
    arrived.set_value();
  });
  HttpClient client(server->port());
  client.request("GET", "/");
  arrived.get_future().wait();
  GetParam() ? client.reset() : client.close();
  EXPECT_EQ(gone.get_future().wait_for(5s), std::future_status::ready);
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
}

INSTANTIATE_TEST_SUITE_P(HttpServer, Leaving, ::testing::Bool());

TEST(HttpServer, answers_500_when_the_handler_forgets_the_exchange) {
  const auto server = serve({}, [](HttpRequest, const std::shared_ptr<Exchange>&) {});
  EXPECT_EQ(HttpClient(server->port()).get("/").status, 500);
}

TEST(HttpServer, refuses_what_is_past_its_limits) {
  const auto server = serve({.header_bytes_max = 2048, .body_bytes_max = 1000});
  const auto long_header = "X: " + std::string(4000, 'x') + "\r\n";
  EXPECT_EQ(HttpClient(server->port()).get("/", long_header).status, 431);
  EXPECT_EQ(HttpClient(server->port()).get("/" + std::string(4000, 'x')).status, 431);
  HttpClient big(server->port());
  const auto answer = big.post("/", std::string(8'000'000, 'x'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(answer.body, HasSubstr("limit of 1000 bytes"));
  EXPECT_TRUE(big.closed());
  HttpClient chunked(server->port());
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
               std::string(2000, 'x') + "\r\n");
  EXPECT_EQ(chunked.answer().status, 413);
}

TEST(HttpServer, refuses_what_is_not_http) {
  const auto server = serve();
  for (const auto* text :
       {"hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET nopath HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "\x16\x03\x01\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n"}) {
    HttpClient client(server->port());
    client.send(text);
    EXPECT_EQ(client.answer().status, 400) << text;
    EXPECT_TRUE(client.closed());
  }
}

TEST(HttpServer, refuses_a_body_whose_end_is_in_doubt_and_takes_no_request_out_of_it) {
  const auto server = serve();
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(hidden.size()) + "\r\n";
  struct Doubtful {
    std::string headers;
    int status;
    std::string version = "1.1";
  };
  for (const auto& [headers, status, version] : std::vector<Doubtful>{
           {"Transfer-Encoding: gzip\r\n", 501},
           {"Transfer-Encoding: xchunked\r\n", 501},
           {"Transfer-Encoding: identity\r\n", 501},
           {"Transfer-Encoding: chunked;a=b\r\n", 501},
           {"Transfer-Encoding: gzip, chunked\r\n", 501},
           {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501},
           {"Transfer-Encoding: chunked, gzip\r\n", 400},
           {"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", 400},
           {"Transfer-Encoding: chunked, chunked\r\n", 400},
           {"Transfer-Encoding:\r\n", 400},
           {"Transfer-Encoding: ,\r\n", 400},
           {"Transfer-Encoding: gzip\r\n" + length, 400},
           {length + "Transfer-Encoding: gzip\r\n", 400},
           {"Transfer-Encoding: chunked\r\n" + length, 400},
           {length + "Transfer-Encoding: chunked\r\n", 400},
           {"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", 400, "1.0"},
       }) {
    HttpClient client(server->port());
    client.send("POST / HTTP/" + version + "\r\nHost: x\r\n" + headers + "\r\n" + hidden);
    const auto answer = client.answer();
    EXPECT_EQ(answer.status, status) << headers;
    if (status == 501) {
      EXPECT_THAT(answer.body, HasSubstr("Transfer-Encoding: only chunked"));
    }
    EXPECT_EQ(answer.headers.at("connection"), "close") << headers;
    EXPECT_EQ(client.answer().status, 0) << headers << "the hidden request was answered";
    EXPECT_TRUE(client.closed());
  }
  EXPECT_EQ(server->stats().requests, 0);
  HttpClient client(server->port());
  client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
  EXPECT_EQ(client.answer().body, "POST /?:ab");
}

TEST(HttpServer, refuses_a_body_that_ends_early) {
  const auto server = serve();
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  client.half_close();
  EXPECT_EQ(client.answer().status, 400);
}

TEST(HttpServer, times_out_a_request_that_does_not_arrive) {
  const auto server = serve({.read_timeout = 100ms});
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, closes_a_connection_that_rests_too_long) {
  const auto server = serve({.idle_timeout = 100ms});
  HttpClient client(server->port());
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, closes_on_a_client_that_takes_nothing) {
  const auto server = serve({.write_timeout = 200ms}, [](HttpRequest, std::shared_ptr<Exchange> e) {
    e->respond({.body = std::string(64 << 20, 'x')});
  });
  HttpClient client(server->port(), 4096);
  client.request("GET", "/");
  EXPECT_TRUE(eventually([&] { return server->stats().requests == 1; }));
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
}

TEST(HttpServer, says_that_too_many_connections_are_open) {
  const auto server = serve({.connections_max = 1});
  HttpClient first(server->port());
  EXPECT_EQ(first.get("/").status, 200);
  HttpClient second(server->port());
  const auto answer = second.answer();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_EQ(server->stats().connections_refused, 1);
  EXPECT_EQ(first.get("/").status, 200);
}

TEST(HttpServer, sends_continue_before_a_body_that_waits_for_it) {
  const auto server = serve();
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("100 Continue"));
  client.send("ab");
  EXPECT_EQ(client.answer().body, "POST /?:ab");
}

TEST(HttpServer, answers_head_without_a_body) {
  const auto server = serve();
  HttpClient client(server->port());
  client.request("HEAD", "/");
  EXPECT_EQ(client.answer(true).headers.at("content-length"), "8");
  EXPECT_EQ(client.get("/x").body, "GET /x?:");
}

TEST(HttpServer, closes_after_an_http_1_0_request) {
  const auto server = serve();
  HttpClient client(server->port());
  client.send("GET /x HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.answer().body, "GET /x?:");
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, lets_only_listed_origins_in) {
  const auto server = serve({.cors_origins = {"https://a.example"}});
  HttpClient client(server->port());
  client.request("OPTIONS", "/", {},
                 "Origin: https://a.example\r\nAccess-Control-Request-Method: "
                 "POST\r\nAccess-Control-Request-Headers: content-type,x-grpc-web\r\n");
  const auto preflight = client.answer();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.at("access-control-allow-origin"), "https://a.example");
  EXPECT_EQ(preflight.headers.at("access-control-allow-headers"), "content-type,x-grpc-web");
  const auto good = client.get("/", "Origin: https://a.example\r\n");
  EXPECT_EQ(good.headers.at("access-control-allow-origin"), "https://a.example");
  const auto bad = client.get("/", "Origin: https://b.example\r\n");
  EXPECT_FALSE(bad.headers.contains("access-control-allow-origin"));
}

TEST(HttpServer, lets_listed_pages_send_cookies_only_when_told_and_never_those_of_anybody) {
  const auto allowed = [](HttpOptions options) {
    const auto server = serve(std::move(options));
    const auto answer = HttpClient(server->port()).get("/", "Origin: https://a.example\r\n");
    return answer.headers.contains("access-control-allow-credentials");
  };
  EXPECT_FALSE(allowed({.cors_origins = {"https://a.example"}}));
  EXPECT_TRUE(allowed({.cors_origins = {"https://a.example"}, .cors_credentials = true}));
  EXPECT_FALSE(allowed({.cors_origins = {"https://b.example"}, .cors_credentials = true}));
  EXPECT_THAT(HttpServer::create(
                  {.address = "127.0.0.1:0", .cors_origins = {"*"}, .cors_credentials = true}, echo)
                  .error()
                  .message,
              HasSubstr("http.cors_credentials"));
  for (const auto* origin : {"a.example", "https://a.example/", "https://", "https://*.a.example",
                             "https://A.example", "https://a.example:443", "http://a.example:80"}) {
    const auto made =
        HttpServer::create({.address = "127.0.0.1:0", .cors_origins = {origin}}, echo);
    ASSERT_FALSE(made) << origin;
    EXPECT_THAT(made.error().message, HasSubstr("http.cors_origins"));
  }
}

TEST(HttpServer, shows_pages_of_other_origins_what_grpc_web_and_retries_need) {
  const auto server = serve({.cors_origins = {"*"}});
  const auto answer = HttpClient(server->port()).get("/", "Origin: https://any.example\r\n");
  EXPECT_EQ(answer.headers.at("access-control-allow-origin"), "https://any.example");
  for (const auto* header : {"grpc-status", "grpc-message", "grpc-status-details-bin",
                             "Retry-After", "WWW-Authenticate"}) {
    EXPECT_THAT(answer.headers.at("access-control-expose-headers"), HasSubstr(header));
  }
}

TEST(HttpServer, refuses_a_request_with_too_many_headers) {
  const auto server = serve({.headers_max = 10});
  std::string headers;
  for (int i = 0; i < 9; ++i) headers += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(HttpClient(server->port()).get("/", headers).status, 200) << "with Host they are ten";
  HttpClient client(server->port());
  const auto answer = client.get("/", headers + "X-More: 1\r\n");
  EXPECT_EQ(answer.status, 431);
  EXPECT_THAT(answer.body, HasSubstr("11 headers, the limit is 10"));
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, keeps_browsers_from_making_more_of_an_answer_than_it_is) {
  const auto server = serve({}, [](HttpRequest request, const std::shared_ptr<Exchange>& exchange) {
    HttpResponse response;
    if (request.path == "/own") {
      response.headers = {{"cache-control", "no-cache"}, {"content-security-policy", "own"}};
    }
    exchange->respond(std::move(response));
  });
  HttpClient client(server->port());
  for (const auto& answer : {client.get("/"), client.get("/own")}) {
    EXPECT_EQ(answer.headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(answer.headers.at("x-frame-options"), "DENY");
    EXPECT_EQ(answer.headers.at("referrer-policy"), "no-referrer");
    EXPECT_FALSE(answer.headers.contains("strict-transport-security")) << "there is no TLS";
  }
  const auto usual = client.get("/").headers;
  EXPECT_EQ(usual.at("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
  EXPECT_EQ(usual.at("cache-control"), "no-store");
  const auto own = client.get("/own").headers;
  EXPECT_EQ(own.at("content-security-policy"), "own");
  EXPECT_EQ(own.at("cache-control"), "no-cache");
  client.send("nonsense\r\n\r\n");
  EXPECT_EQ(client.answer().headers.at("x-content-type-options"), "nosniff");
}

TEST(HttpServer, holds_connections_that_begin_afterwards_to_new_limits) {
  const auto server = serve({.body_bytes_max = 10});
  HttpClient before(server->port());
  EXPECT_EQ(before.get("/").status, 200);
  HttpOptions limits;
  limits.body_bytes_max = 20;
  limits.connections_max = 2;
  limits.idle_timeout = 100ms;
  ASSERT_TRUE(server->replace_limits(limits));
  {
    HttpClient after(server->port());
    EXPECT_EQ(after.post("/", std::string(15, 'x')).status, 200);
    EXPECT_EQ(HttpClient(server->port()).answer().status, 503);
    EXPECT_TRUE(after.closed()) << "it rested for longer than 100 ms";
  }
  EXPECT_EQ(before.post("/", std::string(15, 'x')).status, 413);
  limits.threads = 1;
  limits.headers_max = 0;
  const auto refused = server->replace_limits(limits);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("http.headers_max"));
}

TEST(HttpServer, finishes_what_was_accepted_when_it_stops) {
  std::promise<std::shared_ptr<Exchange>> waiting;
  const auto server = serve({}, [&](HttpRequest, std::shared_ptr<Exchange> exchange) {
    waiting.set_value(std::move(exchange));
  });
  HttpClient resting(server->port());
  HttpClient busy(server->port());
  busy.request("GET", "/");
  auto exchange = waiting.get_future().get();
  std::thread stopper([&] { server->stop(10s); });
  EXPECT_TRUE(resting.closed());
  exchange->respond({.body = "done"});
  const auto answer = busy.answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  busy.close();
  stopper.join();
}

TEST(HttpServer, stops_within_its_grace_when_a_handler_does_not_answer) {
  std::shared_ptr<Exchange> kept;
  const auto server = serve(
      {}, [&](HttpRequest, std::shared_ptr<Exchange> exchange) { kept = std::move(exchange); });
  HttpClient client(server->port());
  client.request("GET", "/");
  EXPECT_TRUE(eventually([&] { return server->stats().requests == 1; }));
  server->stop(50ms);
  EXPECT_EQ(server->stats().connections_open, 0);
}

TEST(HttpServer, tells_a_listener_what_a_request_came_to) {
  std::promise<HttpSummary> told;
  const auto server = serve({.on_response = [&](const HttpSummary& s) { told.set_value(s); }});
  HttpClient client(server->port());
  client.post("/x", "abc");
  const auto summary = told.get_future().get();
  EXPECT_EQ(summary.method, "POST");
  EXPECT_EQ(summary.status, 200);
  EXPECT_EQ(summary.request_bytes, 3);
  EXPECT_GT(summary.response_bytes, 12);
  EXPECT_GT(summary.duration.count(), 0);
}

TEST(HttpServer, names_the_option_that_is_wrong) {
  for (const auto* address : {"", "localhost", "1.2.3.4:99999", "::1:80", "127.0.0.1:x"}) {
    const auto server = HttpServer::create({.address = address}, echo);
    ASSERT_FALSE(server) << address;
    EXPECT_THAT(server.error().message, HasSubstr("http.address"));
  }
  EXPECT_THAT(HttpServer::create({.threads = 0}, echo).error().message, HasSubstr("http.threads"));
}

TEST(HttpServer, listens_on_a_hostname_and_says_which_port_it_got) {
  const auto server = HttpServer::create({.address = "localhost:0"}, echo);
  ASSERT_TRUE(server);
  EXPECT_EQ((*server)->address(), "localhost:" + std::to_string((*server)->port()));
  EXPECT_EQ(HttpClient((*server)->port()).get("/").status, 200);
}

TEST(HttpServer, says_that_an_address_is_taken) {
  const auto first = serve();
  const auto second = HttpServer::create({.address = first->address()}, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("bind"));
}

}  // namespace
}  // namespace weir::gateway
