#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <openssl/ssl.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/tls_client.hpp>
#include <weir/open.hpp>
#include <weir/store/remote/client.hpp>

#include <tests/support/certificates.hpp>
#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using namespace std::chrono_literals;
using gateway::testing::eventually;
using gateway::testing::HttpClient;
using gateway::testing::TlsClient;
using testing::HasSubstr;
using testing::Not;
using testing_support::Authority;
using testing_support::run_program;
using testing_support::ServerProcess;

/// A place for files, and the program.
class Protection : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    // As an operator would: a reader sees the old file or the new one.
    std::ofstream(folder_.file(name + ".new")) << text;
    std::filesystem::rename(folder_.file(name + ".new"), folder_.file(name));
    return folder_.file(name);
  }
  /// certificate and key, as flags.
  std::vector<std::string> tls(const testing_support::Issued& issued) const {
    return {"--tls-certificate", write("server.pem", issued.certificate), "--tls-key",
            write("server.key", issued.key)};
  }
  /// A token, made by the program.
  std::string token(std::vector<std::string> rights) const {
    std::vector<std::string> arguments = {"token",    "create", "somebody",
                                          "--tokens", tokens_,  "--json"};
    arguments.insert(arguments.end(), rights.begin(), rights.end());
    const auto made = run_program(testing_support::built_program(), arguments);
    EXPECT_EQ(made.exit, 0) << made.output;
    const auto at = made.output.find("weir_");
    return made.output.substr(at, made.output.find('"', at) - at);
  }
  static std::string id_of(const std::string& token) { return token.substr(5, 8); }

  std::unique_ptr<ServerProcess> serve(std::vector<std::string> arguments) {
    return std::make_unique<ServerProcess>(
        ServerProcess::Options{.program = testing_support::built_program(),
                               .store = place_->uri(),
                               .arguments = std::move(arguments)});
  }
  /// A command against the server.
  testing_support::Finished weir(const ServerProcess& server, std::vector<std::string> arguments,
                                 const std::vector<std::string>& environment = {}) const {
    arguments.insert(arguments.end(), {"--target", server.grpc(), "--timeout", "10"});
    return run_program(testing_support::built_program(), arguments, environment);
  }
  static bool said(const ServerProcess& server, const std::string& text) {
    return eventually([&] { return server.log().find(text) != std::string::npos; });
  }
  static Result<Position> head(const ServerProcess& server, const remote::Credentials& with) {
    auto client = remote::connect({.target = server.grpc(), .credentials = with});
    if (!client) return client.error();
    auto log = (*client)->open("default");
    if (!log) return log.error();
    return (*log)->head();
  }

  testing_support::TemporaryFolder folder_;
  const std::string tokens_ = folder_.file("tokens");
  std::unique_ptr<Place> place_ = engines().front().make();
  Authority authority_;
};

TEST_F(Protection, commands_work_over_tls_with_a_token_and_not_without) {
  const auto all = token({"--read", "*", "--append", "*", "--admin", "*"});
  auto flags = tls(authority_.issue());
  flags.insert(flags.end(), {"--tokens", tokens_});
  const auto server = serve(flags);
  const auto ca = write("ca.pem", authority_.certificate());
  const auto secret = write("token", all + "\n");

  EXPECT_EQ(weir(*server, {"append", "--type", "A", "--ca", ca, "--token", all}).output, "1\n");
  EXPECT_EQ(weir(*server, {"head", "--ca", ca, "--token-file", secret}).output, "1\n");
  EXPECT_EQ(weir(*server, {"head", "--ca", ca}, {"WEIR_TOKEN=" + all}).output, "1\n");
  EXPECT_EQ(weir(*server, {"head", "--ca", ca}, {"WEIR_TOKEN_FILE=" + secret}).output, "1\n");
  EXPECT_THAT(weir(*server, {"log", "list", "--ca", ca, "--token", all}).output,
              HasSubstr("default"));
  EXPECT_THAT(weir(*server, {"read", "--ca", ca, "--token", all}).output, HasSubstr(" A "));
  EXPECT_EQ(weir(*server, {"export", folder_.file("out.ndjson"), "--ca", ca, "--token", all}).exit,
            0);
  EXPECT_EQ(weir(*server, {"backup", folder_.file("copy.db"), "--ca", ca, "--token", all}).exit, 0);

  const auto without = weir(*server, {"head", "--ca", ca});
  EXPECT_EQ(without.exit, 1);
  EXPECT_THAT(without.output, HasSubstr("a bearer token is needed"));
  EXPECT_EQ(weir(*server, {"head", "--token", all}).exit, 5) << "in plain text";
  EXPECT_EQ(weir(*server, {"head", "--tls", "--token", all}).exit, 5)
      << "the machine does not trust the test's authority";
  EXPECT_EQ(weir(*server, {"head", "--ca", folder_.file("no.pem")}).exit, 2);

  EXPECT_THAT(server->log(), Not(HasSubstr(all.substr(14))));
  const auto opened =
      open("weir://" + server->grpc(), {.credentials = {.tls = true, .ca_file = ca, .token = all}});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ((*opened)->head().value(), Position(1));
}

TEST_F(Protection, commands_say_what_keeps_them_from_a_server) {
  const auto issued = authority_.issue({.names = {"DNS:localhost"}});
  const auto server = serve(tls(issued));
  const auto plain = serve({});
  const auto ca = write("ca.pem", authority_.certificate());
  const auto other = write("other.pem", Authority("another authority").certificate());
  const auto key = write("some.key", issued.key);
  const auto said = [&](const ServerProcess& to, std::vector<std::string> with, int exit) {
    with.insert(with.begin(), "head");
    const auto refused = weir(to, with);
    EXPECT_EQ(refused.exit, exit) << refused.output;
    EXPECT_THAT(refused.output, Not(HasSubstr("no server answers"))) << "one does";
    return refused.output;
  };
  EXPECT_THAT(said(*server, {}, 5), HasSubstr("does it speak TLS? See --tls"));
  EXPECT_THAT(said(*server, {"--ca", ca}, 5), HasSubstr("127.0.0.1 is not in peer certificate"));
  EXPECT_THAT(said(*server, {"--ca", other}, 5), HasSubstr("certificate verify failed"));
  EXPECT_THAT(said(*plain, {"--ca", ca}, 5), HasSubstr("wrong version number"));
  EXPECT_THAT(said(*server, {"--ca", key}, 2), HasSubstr(key + ": it holds no certificate"));
  const auto certificate = write("own.pem", authority_.issue().certificate);
  EXPECT_THAT(said(*server, {"--ca", ca, "--cert", certificate, "--key", key}, 2),
              HasSubstr(key + ": it is not the key of the certificate in " + certificate));
  EXPECT_THAT(said(*server, {"--key", key}, 2), HasSubstr("a client's certificate and its key"));
}

TEST_F(Protection, grpc_speaks_tls_1_2_at_least_and_only_with_whom_it_trusts) {
  const auto ca = write("ca.pem", authority_.certificate());
  const Authority other("another authority");
  auto flags = tls(authority_.issue());
  flags.insert(flags.end(), {"--tls-client-ca", ca});
  const auto server = serve(flags);
  const auto client = [&](const testing_support::Issued& shown, const std::string& name) {
    return remote::Credentials{.tls = true,
                               .ca_file = ca,
                               .certificate_file = write(name + ".pem", shown.certificate),
                               .key_file = write(name + ".key", shown.key)};
  };
  const auto good = client(authority_.issue({.name = "client"}), "good");
  EXPECT_TRUE(head(*server, good)) << server->log();
  EXPECT_FALSE(head(*server, {.tls = true, .ca_file = ca})) << "no certificate";
  EXPECT_FALSE(head(*server, client(Authority("third").issue(), "foreign")));
  EXPECT_FALSE(head(
      *server, client(authority_.issue({.from_seconds = -7200, .until_seconds = -60}), "expired")));
  auto mistrusting = good;
  mistrusting.ca_file = write("other.pem", other.certificate());
  EXPECT_FALSE(head(*server, mistrusting));
  EXPECT_FALSE(head(*server, {})) << "plain text to a TLS port";

  const auto port =
      static_cast<std::uint16_t>(std::stoi(server->grpc().substr(server->grpc().rfind(':') + 1)));
  const auto shown = authority_.issue({.name = "client"});
  TlsClient old(port, {.ca = authority_.certificate(),
                       .certificate = shown.certificate,
                       .key = shown.key,
                       .version_max = TLS1_1_VERSION});
  EXPECT_NE(old.error(), "");
  const auto expired = authority_.issue({.from_seconds = -7200, .until_seconds = -60});
  TlsClient late(port, {.ca = authority_.certificate(),
                        .certificate = expired.certificate,
                        .key = expired.key,
                        .version_max = TLS1_2_VERSION});
  EXPECT_NE(late.error(), "");
  TlsClient recent(port, {.ca = authority_.certificate(),
                          .certificate = shown.certificate,
                          .key = shown.key,
                          .version_max = TLS1_2_VERSION});
  EXPECT_EQ(recent.error(), "");
  EXPECT_EQ(recent.version(), "TLSv1.2");
  EXPECT_TRUE(head(*server, good)) << "what was refused must not harm others";
}

TEST_F(Protection, a_hang_up_brings_new_certificates_to_both_ports_and_refuses_bad_ones) {
  auto flags = tls(authority_.issue({.name = "first"}));
  const auto server = serve(flags);
  const auto port_of = [](const std::string& address) {
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  };
  const auto names = [&] {
    std::string out;
    for (const auto& address : {server->grpc(), server->http()}) {
      out += TlsClient(port_of(address), {.ca = authority_.certificate()}).server_name() + " ";
    }
    return out;
  };
  EXPECT_EQ(names(), "first first ");
  const auto ca = write("ca.pem", authority_.certificate());
  const auto connected = server->connect({.tls = true, .ca_file = ca});

  tls(authority_.issue({.name = "second"}));
  server->signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return names() == "second second "; })) << names();
  EXPECT_TRUE(connected->head()) << "connections that are open stay open";

  // A certificate whose key has not come yet.
  write("server.pem", authority_.issue({.name = "third"}).certificate);
  server->signal(SIGHUP);
  EXPECT_TRUE(said(*server, "settings and certificates stay as they were")) << server->log();
  EXPECT_THAT(server->log(), HasSubstr("server.key: it is not the key of the certificate"));
  EXPECT_EQ(names(), "second second ");
  tls(authority_.issue({.name = "old", .from_seconds = -7200, .until_seconds = -60}));
  server->signal(SIGHUP);
  EXPECT_TRUE(said(*server, "expired at")) << server->log();
  EXPECT_EQ(names(), "second second ");
  tls(authority_.issue({.name = "fourth"}));
  server->signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return names() == "fourth fourth "; })) << names();
}

TEST_F(Protection, a_token_revoked_by_a_hang_up_ends_its_streams_within_seconds) {
  const auto kept = token({"--read", "*"});
  const auto revoked = token({"--read", "*"});
  const auto server = serve({"--tokens", tokens_});
  const auto path = "/v1/logs/default/events:subscribe";
  const auto subscribe = [&](HttpClient& http, const std::string& with) {
    http.request("GET", path, {},
                 "Accept: text/event-stream\r\nAuthorization: Bearer " + with + "\r\n");
    EXPECT_THAT(http.read_until("\r\n\r\n"), HasSubstr("200 OK"));
  };
  HttpClient one(server->http_port()), other(server->http_port());
  subscribe(one, revoked);
  subscribe(other, kept);
  EXPECT_TRUE(head(*server, {.token = revoked}));
  EXPECT_EQ(run_program(testing_support::built_program(),
                        {"token", "revoke", id_of(revoked), "--tokens", tokens_})
                .exit,
            0);
  EXPECT_TRUE(head(*server, {.token = revoked})) << "the server has not been told yet";
  const auto begun = std::chrono::steady_clock::now();
  server->signal(SIGHUP);
  EXPECT_THAT(one.read_until("UNAUTHENTICATED"), HasSubstr("event: error"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  const auto denied = head(*server, {.token = revoked});
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Code::unauthenticated);
  EXPECT_TRUE(head(*server, {.token = kept}));
  const auto added = token({"--read", "*", "--append", "*"});
  server->signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return head(*server, {.token = added}).ok(); }));
  ASSERT_EQ(weir(*server, {"append", "--type", "A"}, {"WEIR_TOKEN=" + added}).exit, 0);
  EXPECT_THAT(other.read_until("id: 1"), HasSubstr("id: 1")) << "the other's stream goes on";
}

// What was wrong with a certificate kept a revoked token alive.
TEST_F(Protection, a_hang_up_ends_a_revoked_token_whatever_else_is_wrong) {
  const auto revoked = token({"--read", "*"});
  const auto ca = write("ca.pem", authority_.certificate());
  const auto file = write("weir.yaml", "limits: {tags_max: 2}\n");
  auto flags = tls(authority_.issue());
  flags.insert(flags.end(), {"--tokens", tokens_, "--config", file});
  const auto server = serve(flags);
  const remote::Credentials with{.tls = true, .ca_file = ca, .token = revoked};
  ASSERT_TRUE(head(*server, with)) << server->log();
  tls(authority_.issue({.from_seconds = -7200, .until_seconds = -60}));
  write("weir.yaml", "limit: {tags_max: 2}\n");
  const auto revoking = run_program(testing_support::built_program(),
                                    {"token", "revoke", id_of(revoked), "--tokens", tokens_});
  ASSERT_EQ(revoking.exit, 0) << revoking.output;
  server->signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return !head(*server, with); })) << server->log();
  EXPECT_TRUE(said(*server, "settings and certificates stay as they were: " + file))
      << server->log();
}

TEST_F(Protection, a_hang_up_takes_the_settings_when_the_tokens_are_cut_off) {
  const auto kept = token({"--read", "*"});
  const auto file = write("weir.yaml", "limits: {tags_max: 2}\n");
  const auto server = serve({"--tokens", tokens_, "--config", file});
  write("tokens", "");
  std::filesystem::permissions(tokens_, std::filesystem::perms(0600));
  write("weir.yaml", "limits: {tags_max: 3}\n");
  server->signal(SIGHUP);
  EXPECT_TRUE(said(*server, "limits.tags_max is 3 now")) << server->log();
  EXPECT_THAT(server->log(), HasSubstr("tokens stay as they were: " + tokens_ + ": it is empty"));
  EXPECT_TRUE(head(*server, {.token = kept})) << server->log();
}

// HTTP showed the new certificate, and gRPC completed no handshake.
TEST_F(Protection, files_that_hold_more_than_a_certificate_and_its_key_work_on_both_ports) {
  auto issued = authority_.issue({.name = "first"});
  issued.certificate = "\xEF\xBB\xBF" + issued.certificate;
  issued.key = authority_.certificate() + issued.key;
  const auto server = serve(tls(issued));
  const auto ca = write("ca.pem", authority_.certificate());
  EXPECT_TRUE(head(*server, {.tls = true, .ca_file = ca})) << server->log();
  TlsClient http(server->http_port(), {.ca = authority_.certificate()});
  EXPECT_EQ(http.server_name(), "first") << http.error();
}

TEST_F(Protection, a_token_that_expires_ends_its_streams_by_itself) {
  const auto brief = token({"--read", "*", "--expires", "3s"});
  const auto server = serve({"--tokens", tokens_});
  HttpClient http(server->http_port());
  http.request("GET", "/v1/logs/default/events:subscribe", {},
               "Accept: text/event-stream\r\nAuthorization: Bearer " + brief + "\r\n");
  EXPECT_THAT(http.read_until("\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_THAT(http.read_until("UNAUTHENTICATED"), HasSubstr("event: error"));
}

TEST_F(Protection, a_hang_up_takes_what_can_change_and_names_what_can_not) {
  const auto file = write("weir.yaml", "limits: {tags_max: 2}\nhttp: {body_bytes_max: 1KiB}\n");
  const auto server = serve({"--config", file});
  const auto append = [&](int tags) {
    std::vector<std::string> arguments = {"append", "--type", "A"};
    for (int i = 0; i < tags; ++i) {
      arguments.insert(arguments.end(), {"--tag", "t:" + std::to_string(i)});
    }
    return weir(*server, arguments).exit;
  };
  const auto post = [&](std::size_t bytes) {
    return HttpClient(server->http_port())
        .post("/v1/logs/default/events", std::string(bytes, ' '))
        .status;
  };
  const auto dcb_append = [&](const std::string& tags) {
    return HttpClient(server->http_port())
        .post("/append", R"({"events":[{"type":"A","tags":[)" + tags + R"(],"data":"{}"}]})")
        .status;
  };
  EXPECT_EQ(append(3), 2);
  EXPECT_EQ(dcb_append(R"("a","b","c")"), 400);
  EXPECT_EQ(post(2000), 413);
  write("weir.yaml",
        "limits: {tags_max: 3}\nhttp: {body_bytes_max: 4KiB, threads: 7}\n"
        "log: {level: debug}\n");
  server->signal(SIGHUP);
  ASSERT_TRUE(said(*server, "http.threads is 7 now (" + file +
                                ":2): it takes effect when the "
                                "server starts again"))
      << server->log();
  EXPECT_THAT(server->log(), HasSubstr("limits.tags_max is 3 now"));
  EXPECT_EQ(append(3), 0);
  EXPECT_EQ(append(4), 2);
  EXPECT_EQ(dcb_append(R"("a","b","c")"), 200);
  EXPECT_EQ(dcb_append(R"("a","b","c","d")"), 400);
  EXPECT_EQ(post(2000), 400) << "no longer too long, only no JSON";

  write("weir.yaml", "limits: {tags_max: 9}\nhttp: {body_bytes_max: 4KiB, treads: 7}\n");
  server->signal(SIGHUP);
  ASSERT_TRUE(said(*server, "settings and certificates stay as they were: " + file +
                                ":2: http.treads: there is no such "
                                "setting; did you mean http.threads?"))
      << server->log();
  EXPECT_EQ(append(4), 2) << "nothing of a bad file holds";
  const auto metrics = HttpClient(server->http_port()).get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("weir_config_reloads_total 1"));
  EXPECT_THAT(metrics, HasSubstr("weir_config_reloads_total{error_type=\"INVALID_ARGUMENT\"} 1"));
  server->signal(SIGTERM);
  EXPECT_EQ(server->wait(12s), 0) << server->log();
}

TEST_F(Protection, a_server_without_tokens_refuses_addresses_that_others_can_reach) {
  const auto refused = run_program(
      testing_support::built_program(),
      {"serve", "--store", place_->uri(), "--grpc", "0.0.0.0:0", "--http", "127.0.0.1:0"});
  EXPECT_EQ(refused.exit, 2);
  EXPECT_THAT(refused.output, HasSubstr("others could reach 0.0.0.0:0"));
  EXPECT_THAT(refused.output, HasSubstr("weir token create"));
  EXPECT_THAT(refused.output, HasSubstr("--insecure-listen-anywhere"));
}

TEST_F(Protection, handshakes_that_fail_leave_a_few_lines_of_the_logs_own_format) {
  auto flags = tls(authority_.issue());
  flags.insert(flags.end(), {"--log-format", "json"});
  const auto server = serve(flags);
  const auto port =
      static_cast<std::uint16_t>(std::stoi(server->grpc().substr(server->grpc().rfind(':') + 1)));
  for (int i = 0; i < 200; ++i) {
    HttpClient client(port);
    client.send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(client.closed());
  }
  ASSERT_TRUE(said(*server, "Handshake failed")) << server->log();
  std::istringstream log(server->log());
  std::size_t lines = 0;
  for (std::string line; std::getline(log, line); ++lines) {
    EXPECT_THAT(line, testing::StartsWith("{\"time\":"));
  }
  EXPECT_LE(lines, 20u);
}

TEST_F(Protection, what_grpc_says_of_itself_is_not_mixed_with_what_commands_say) {
  const auto server = serve({});
  const auto plain = weir(*server, {"head", "--tls"});
  EXPECT_EQ(plain.exit, 5);
  EXPECT_THAT(plain.output, Not(HasSubstr(".cc:")));
  const auto taken = run_program(
      testing_support::built_program(),
      {"serve", "--store", place_->uri(), "--grpc", server->grpc(), "--http", "127.0.0.1:0"});
  EXPECT_EQ(taken.exit, 5);
  EXPECT_THAT(taken.output, HasSubstr("is another server running there?"));
  EXPECT_THAT(taken.output, Not(HasSubstr(".cc:")));
}

TEST_F(Protection, thousands_of_denied_calls_leave_a_few_lines) {
  token({"--read", "*"});
  const auto server = serve({"--tokens", tokens_});
  HttpClient http(server->http_port());
  const auto wrong = "Authorization: Bearer weir_00000000_" + std::string(64, 'a') + "\r\n";
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(http.get("/v1/logs/default/head", wrong).status, 401);
  std::size_t lines = 0;
  const auto log = server->log();
  for (auto at = log.find("denied a call"); at != std::string::npos;
       at = log.find("denied a call", at + 1)) {
    ++lines;
  }
  EXPECT_GE(lines, 10u);
  EXPECT_LE(lines, 20u);
  EXPECT_THAT(log, Not(HasSubstr("aaaa")));
  EXPECT_THAT(log, HasSubstr("denied a call from http:127.0.0.1: a token that is nobody's"));
  EXPECT_THAT(HttpClient(server->http_port()).get("/metrics").body,
              HasSubstr("weir_access_denied_total{error_type=\"unknown\"} 3000"));
}

}  // namespace
}  // namespace weir::system_tests
