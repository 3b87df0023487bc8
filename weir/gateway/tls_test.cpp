#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <future>

#include <weir/gateway/http_server.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/tls_client.hpp>

#include <tests/support/certificates.hpp>

namespace weir::gateway {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using testing::eventually;
using ::testing::HasSubstr;
using testing::HttpClient;
using ::testing::Not;
using testing::TlsClient;
using testing_support::Authority;
using testing_support::Issued;

void hello(const HttpRequest& request, const std::shared_ptr<Exchange>& exchange) {
  exchange->respond({.body = request.path + ":" + request.body});
}

class Https : public ::testing::Test {
 protected:
  static security::TlsMaterial material(const Issued& issued, std::string client_ca = {}) {
    return {.certificate = issued.certificate,
            .key = issued.key,
            .client_ca = std::move(client_ca),
            .expires_at = {}};
  }
  std::unique_ptr<HttpServer> serve(const security::TlsMaterial& with, Handler handler = hello,
                                    HttpOptions options = {}) {
    options.address = "127.0.0.1:0";
    options.tls = with;
    auto server = HttpServer::create(std::move(options), std::move(handler));
    EXPECT_TRUE(server) << (server ? "" : server.error().message);
    return std::move(server).value();
  }

  Authority authority_;
  const Issued issued_ = authority_.issue();
};

TEST_F(Https, answers_over_tls_and_says_when_it_closes) {
  const auto server = serve(material(issued_));
  TlsClient client(server->port(), {.ca = authority_.certificate()});
  ASSERT_EQ(client.error(), "");
  EXPECT_EQ(client.version(), "TLSv1.3");
  EXPECT_EQ(client.protocol(), "http/1.1");
  EXPECT_THAT(client.get("/hello"), HasSubstr("\r\n\r\n/hello:"));
  EXPECT_EQ(client.error(), "") << "the end must not look like one that was cut off";
}

TEST_F(Https, tells_browsers_to_come_by_tls_only) {
  const auto server = serve(material(issued_));
  TlsClient client(server->port(), {.ca = authority_.certificate()});
  EXPECT_THAT(client.get("/"), HasSubstr("\r\nStrict-Transport-Security: max-age=31536000\r\n"));
}

TEST_F(Https, keeps_a_connection_for_many_requests_and_large_bodies) {
  const auto server = serve(material(issued_));
  TlsClient client(server->port(), {.ca = authority_.certificate()});
  const std::string body(300'000, 'x');
  for (int i = 0; i < 3; ++i) {
    client.send("POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + body + "");
    EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("200 OK"));
    EXPECT_EQ(client.read_until(":"), "/big:");
    EXPECT_EQ(client.read_until(std::string(300'000, 'x')), body);
  }
  EXPECT_EQ(client.error(), "");
}

TEST_F(Https, streams_chunk_by_chunk) {
  const auto server = serve(material(issued_), [](HttpRequest, std::shared_ptr<Exchange> exchange) {
    exchange->begin({.status = 200, .headers = {}, .filler = "", .filler_every = {}}, 0ms);
    exchange->write("one", [exchange] {
      exchange->write("two", nullptr);
      exchange->end();
    });
  });
  TlsClient client(server->port(), {.ca = authority_.certificate()});
  EXPECT_THAT(client.get("/"), HasSubstr("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
  EXPECT_EQ(client.error(), "");
}

TEST_F(Https, finds_out_that_a_client_has_gone) {
  std::promise<void> gone;
  std::shared_ptr<Exchange> kept;
  const auto server = serve(material(issued_), [&](HttpRequest, std::shared_ptr<Exchange> e) {
    e->on_ending([&](Ending ending) {
      if (ending == Ending::client_gone) gone.set_value();
    });
    kept = std::move(e);
  });
  {
    TlsClient client(server->port(), {.ca = authority_.certificate()});
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return server->stats().requests == 1; }));
  }
  EXPECT_EQ(gone.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
}

TEST_F(Https, a_refused_body_still_gets_its_answer) {
  const auto server = serve(material(issued_), hello, {.body_bytes_max = 1000});
  TlsClient client(server->port(), {.ca = authority_.certificate()});
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" +
              std::string(2'000'000, 'x'));
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("413"));
}

TEST_F(Https, is_not_spoken_below_1_2) {
  const auto server = serve(material(issued_));
  TlsClient old(server->port(), {.ca = authority_.certificate(), .version_max = TLS1_1_VERSION});
  EXPECT_NE(old.error(), "");
  TlsClient good(server->port(), {.ca = authority_.certificate(), .version_max = TLS1_2_VERSION});
  EXPECT_EQ(good.error(), "");
  EXPECT_EQ(good.version(), "TLSv1.2");
}

TEST_F(Https, is_not_trusted_by_a_client_of_another_authority) {
  const auto server = serve(material(issued_));
  const Authority other("another authority");
  TlsClient client(server->port(), {.ca = other.certificate()});
  EXPECT_THAT(client.error(), HasSubstr("certificate verify failed"));
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
}

TEST_F(Https, turns_away_clients_without_a_good_certificate_when_one_is_wanted) {
  const auto server = serve(material(issued_, authority_.certificate()));
  const auto try_with = [&](const Issued& shown) {
    TlsClient client(
        server->port(),
        {.ca = authority_.certificate(), .certificate = shown.certificate, .key = shown.key});
    const auto answer = client.get("/x");
    return answer.empty() ? "refused: " + client.error() : answer;
  };
  EXPECT_THAT(try_with({}), HasSubstr("refused: "));
  EXPECT_THAT(try_with(Authority("another").issue({.name = "client"})), HasSubstr("refused: "));
  EXPECT_THAT(
      try_with(authority_.issue({.name = "old", .from_seconds = -7200, .until_seconds = -60})),
      HasSubstr("refused: "));
  EXPECT_THAT(try_with(authority_.issue({.name = "client"})), HasSubstr("200 OK"));
}

// gRPC let it in, HTTP did not.
TEST_F(Https, lets_in_a_client_whose_own_certificate_is_in_the_list) {
  const auto named = authority_.issue({.name = "client"});
  const auto server = serve(material(issued_, named.certificate));
  const auto answer_to = [&](const Issued& shown) {
    return TlsClient(
               server->port(),
               {.ca = authority_.certificate(), .certificate = shown.certificate, .key = shown.key})
        .get("/x");
  };
  EXPECT_THAT(answer_to(named), HasSubstr("200 OK"));
  EXPECT_EQ(answer_to(authority_.issue({.name = "another"})), "");
}

TEST_F(Https, tells_somebody_who_speaks_plain_http_so) {
  const auto server = serve(material(issued_));
  HttpClient plain(server->port());
  const auto answer = plain.get("/");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("https only"));
  EXPECT_TRUE(plain.closed());
  HttpClient noise(server->port());
  noise.send(std::string(1000, '\xff'));
  EXPECT_TRUE(noise.closed());
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
  EXPECT_EQ(server->stats().requests, 0);
}

TEST_F(Https, does_not_wait_for_ever_for_a_handshake) {
  const auto server = serve(material(issued_), hello, {.read_timeout = 100ms});
  HttpClient silent(server->port());
  EXPECT_TRUE(silent.closed());
}

TEST_F(Https, shows_a_new_certificate_to_new_connections_and_keeps_the_old_ones) {
  const auto server = serve(material(issued_));
  TlsClient before(server->port(), {.ca = authority_.certificate()});
  EXPECT_EQ(before.server_name(), "localhost");
  ASSERT_TRUE(server->replace_tls(material(authority_.issue({.name = "renewed"}))));
  TlsClient after(server->port(), {.ca = authority_.certificate()});
  EXPECT_EQ(after.server_name(), "renewed");
  EXPECT_THAT(before.get("/old"), HasSubstr("/old:"));
  auto broken = material(authority_.issue({.name = "broken"}));
  broken.key = issued_.key;
  EXPECT_FALSE(server->replace_tls(broken));
  TlsClient still(server->port(), {.ca = authority_.certificate()});
  EXPECT_EQ(still.server_name(), "renewed");
}

TEST_F(Https, stops_while_connections_rest_and_shake_hands) {
  auto server = serve(material(issued_));
  TlsClient resting(server->port(), {.ca = authority_.certificate()});
  HttpClient silent(server->port());
  EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 2; }));
  server->stop(5s);
  EXPECT_EQ(server->stats().connections_open, 0);
}

}  // namespace
}  // namespace weir::gateway
