#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include <apps/weir/settings.hpp>
#include <apps/weir/shell_for_tests.hpp>
#include <tests/support/places.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The commands with variables of the test's own.
class Config : public ::testing::Test {
 protected:
  Config() { std::filesystem::create_directories(folder_); }
  ~Config() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& text) const {
    const auto path = (folder_ / "weir.yaml").string();
    std::ofstream(path) << text;
    return path;
  }
  Outcome weir(std::vector<std::string> arguments) {
    Captured out, err;
    Program program;
    program.out = out.file();
    program.err = err.file();
    program.environment = [&](const char* name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
    program.whole_environment = [&] {
      std::vector<std::string> all;
      for (const auto& [name, value] : variables_) all.push_back(name + "=" + value);
      return all;
    };
    using Opened = Result<std::shared_ptr<Catalog>>;
    program.open_catalog = [&](const std::string& uri, const OpenOptions& options) -> Opened {
      opened_ = uri;
      opened_with_ = options;
      return unavailable("it was opened");
    };
    const auto exit = run(std::move(arguments), program);
    return {exit, out.text(), err.text()};
  }

  std::map<std::string, std::string> variables_;
  std::string opened_;
  OpenOptions opened_with_;

 private:
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("weir-config-" + std::to_string(::getpid()));
};

TEST_F(Config, check_says_that_a_file_is_fine) {
  const auto checked = weir({"config", "check", file("http: {threads: 4}\nlog: {level: warn}\n")});
  EXPECT_EQ(checked.exit, Exit::fine) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("fine, 2 of"));
}

TEST(ServeConfiguration, resilience_is_as_the_preset_says_unless_it_is_said_otherwise) {
  using namespace std::chrono_literals;
  ServeConfiguration configuration;
  ASSERT_TRUE(configuration.list.read_yaml(
      "resilience: {preset: development, attempts_max: 7, open_for: 5s}", "a file"));
  const auto options = shield_options(configuration.values).value();
  const auto preset = resilient::preset("development").value();
  for (const auto* strategies : {&options.read, &options.write}) {
    EXPECT_EQ(strategies->retry.attempts_max, 7);
    EXPECT_EQ(strategies->circuit_breaker.open_for, 5s);
    EXPECT_EQ(strategies->retry.delay, preset.read.retry.delay);
    EXPECT_EQ(strategies->timeout.after, preset.read.timeout.after);
  }
}

TEST(ServeConfiguration, has_the_options_of_the_pool_by_their_names) {
  ServeConfiguration configuration;
  ASSERT_TRUE(configuration.list.read_yaml(
      "pool: {size_max: 20, reset_on_return: when_changed, hosts: [db2, 'db3:5433']}\n"
      "replicas: {lag_max: 5s}",
      "a file"));
  const auto options = open_options(configuration.values).postgres;
  EXPECT_EQ(options.pool.size_max, 20u);
  EXPECT_EQ(options.pool.reset_on_return, sql::ResetOnReturn::when_changed);
  EXPECT_EQ(options.hosts, (std::vector<std::string>{"db2", "db3:5433"}));
  EXPECT_EQ(options.replicas.lag_max, std::chrono::seconds(5));
}

TEST_F(Config, check_names_a_pool_that_does_not_fit_together) {
  const auto checked = weir({"config", "check", file("pool: {size_min: 9, size_max: 5}")});
  EXPECT_NE(checked.exit, Exit::fine);
  EXPECT_THAT(checked.err, HasSubstr("size_min"));
}

TEST_F(Config, check_warns_of_variables_that_no_setting_has_and_goes_on) {
  variables_ = {{"WEIR_GRCP_ADDRESS", "x"}, {"WEIR_SERVICE_HOST", "10.0.0.1"}};
  const auto checked = weir({"config", "check", file("http: {threads: 4}\n")});
  EXPECT_EQ(checked.exit, Exit::fine) << checked.err;
  EXPECT_EQ(checked.err,
            "warning: WEIR_GRCP_ADDRESS: there is no such setting; did you mean "
            "WEIR_GRPC_ADDRESS?\n");
}

TEST_F(Config, serve_warns_of_variables_that_no_setting_has_and_goes_on) {
  variables_ = {{"WEIR_GRCP_ADDRESS", "x"}, {"WEIR_PORT", "tcp://10.0.0.1:8080"}};
  ::testing::internal::CaptureStderr();
  const auto served = weir({"serve"});
  const auto log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(served.err, HasSubstr("it was opened")) << "it ended before";
  EXPECT_THAT(log, HasSubstr("WEIR_GRCP_ADDRESS: there is no such setting; did you mean "
                             "WEIR_GRPC_ADDRESS?"));
  EXPECT_THAT(log, Not(HasSubstr("WEIR_PORT")));
}

TEST(ServeConfiguration, calls_are_limited_by_what_the_store_can_take_only_when_asked_for) {
  ServeConfiguration configuration;
  EXPECT_FALSE(admission_options(configuration.values).adaptive);
  ASSERT_TRUE(configuration.list.read_yaml(
      "admission: {adaptive: true, adaptive_min: 5, adaptive_max: 50}", "a file"));
  const auto adaptive = admission_options(configuration.values).adaptive;
  ASSERT_TRUE(adaptive);
  EXPECT_EQ(adaptive->initial, 5);
  EXPECT_EQ(adaptive->limit_min, 5);
  EXPECT_EQ(adaptive->limit_max, 50);
}

TEST_F(Config, check_names_an_adaptive_limit_that_does_not_fit_together) {
  const auto checked = weir(
      {"config", "check", file("admission: {adaptive: true, adaptive_min: 50, adaptive_max: 5}")});
  EXPECT_NE(checked.exit, Exit::fine);
  EXPECT_THAT(checked.err, HasSubstr("admission.adaptive"));
}

TEST(ServeConfiguration, recovery_and_sockets_are_as_they_are_set) {
  ServeConfiguration configuration;
  const resilient::RecoveryOptions standard;
  EXPECT_EQ(shield_options(configuration.values)->recovery.delay, standard.delay);
  EXPECT_EQ(shield_options(configuration.values)->recovery.delay_max, standard.delay_max);
  EXPECT_EQ(shield_options(configuration.values)->recovery.timeout, standard.timeout);
  ASSERT_TRUE(configuration.list.read_yaml(
      "recovery: {delay: 100ms, delay_max: 1s, timeout: 300ms}\n"
      "pool: {tcp_user_timeout: 4s, tcp_keepalive_idle: 5s, tcp_keepalive_interval: 2s, "
      "tcp_keepalive_count: 6}",
      "a file"));
  const auto recovery = shield_options(configuration.values)->recovery;
  EXPECT_EQ(recovery.delay, std::chrono::milliseconds(100));
  EXPECT_EQ(recovery.delay_max, std::chrono::seconds(1));
  EXPECT_EQ(recovery.timeout, std::chrono::milliseconds(300));
  const auto tcp = open_options(configuration.values).postgres.pool.tcp;
  EXPECT_EQ(tcp.user_timeout, std::chrono::seconds(4));
  EXPECT_EQ(tcp.keepalive_idle, std::chrono::seconds(5));
  EXPECT_EQ(tcp.keepalive_interval, std::chrono::seconds(2));
  EXPECT_EQ(tcp.keepalive_count, 6);
}

TEST(ServeConfiguration, zeros_are_no_limit_on_calls) {
  ServeConfiguration configuration;
  ASSERT_TRUE(
      configuration.list.read_yaml("admission: {calls_at_once: 0, client_calls: 100}", "a file"));
  const auto options = admission_options(configuration.values);
  EXPECT_EQ(options.calls_at_once, std::nullopt);
  EXPECT_EQ(options.streams_at_once, 50'000);
  ASSERT_TRUE(options.calls);
  EXPECT_EQ(options.calls->permits, 100);
  EXPECT_FALSE(options.kibibytes);
}

TEST_F(Config, check_names_file_line_and_key_of_each_mistake) {
  const auto path = file("http:\n  adress: x\n  threads: 65\nlimits:\n  tags_max: 0\n");
  const auto checked = weir({"config", "check", path});
  EXPECT_EQ(checked.exit, Exit::usage);
  EXPECT_THAT(checked.err, HasSubstr(path + ":2: http.adress: there is no such setting; did you "
                                            "mean http.address?"));
  EXPECT_THAT(checked.err, HasSubstr(path + ":3: http.threads: 65 is not from 1 to 64"));
  EXPECT_THAT(checked.err, HasSubstr(path + ":5: limits.tags_max: 0 is not from 1 to 65535"));
}

TEST_F(Config, check_finds_what_does_not_fit_together) {
  const auto checked =
      weir({"config", "check", file("limits: {data_bytes_max: 8MiB, append_bytes_max: 1MiB}")});
  EXPECT_EQ(checked.exit, Exit::usage);
  EXPECT_THAT(checked.err, HasSubstr("append_bytes_max"));
}

TEST_F(Config, check_names_a_file_that_is_not_there) {
  const auto checked = weir({"config", "check", "/no/such.yaml"});
  EXPECT_NE(checked.exit, Exit::fine);
  EXPECT_THAT(checked.err, HasSubstr("/no/such.yaml: can't be read"));
}

// Check said that these were fine, and serve refused them.
TEST_F(Config, check_finds_what_a_server_would_not_start_with) {
  const auto refused = [&](const std::string& text) {
    const auto checked = weir({"config", "check", file(text)});
    EXPECT_EQ(checked.exit, Exit::usage) << text << checked.out;
    return checked.err;
  };
  EXPECT_THAT(refused("tls: {certificate: a.pem}"), HasSubstr("tls.key: it is missing"));
  EXPECT_THAT(refused("tls: {key: a.pem}"), HasSubstr("tls.certificate: it is missing"));
  EXPECT_THAT(refused("grpc: {address: 0.0.0.0:50051}"), HasSubstr("others could reach"));
  EXPECT_THAT(refused("grpc: {address: 8080}"), HasSubstr("grpc.address: '8080' is not HOST:PORT"));
  EXPECT_THAT(refused("http: {address: x}"), HasSubstr("http.address: 'x' is not HOST:PORT"));
  EXPECT_THAT(refused("store: foo:bar"), HasSubstr("store: 'foo:bar' is not sqlite:PATH"));
  EXPECT_THAT(refused("store: ''"), HasSubstr("store: '' is not sqlite:PATH"));
  EXPECT_THAT(refused("store: 'postgres://a%zz:secret@db/weir'"),
              AllOf(HasSubstr("store: the address can't be read: "), Not(HasSubstr("secret"))));
  EXPECT_THAT(refused("store: 'postgres://db/weir?no_such=1'"), HasSubstr("can't be read"));
  EXPECT_EQ(weir({"config", "check",
                  file("access: {tokens: no-such-file}\ngrpc: {address: 0.0.0.0:50051}")})
                .exit,
            Exit::fine)
      << "it looks at the file alone";
}

TEST_F(Config, serve_says_what_is_wrong_with_an_address) {
  EXPECT_THAT(weir({"serve", "--grpc", ""}).err, HasSubstr("grpc.address: '' is not HOST:PORT"));
  EXPECT_THAT(weir({"serve", "--grpc", "::1:0"}).err, HasSubstr("IPv6 address is in brackets"));
  EXPECT_THAT(weir({"serve", "--grpc", "no-such-host.invalid:0"}).err,
              HasSubstr("grpc.address: can't resolve 'no-such-host.invalid': "));
  variables_["WEIR_HTTP_ADDRESS"] = "x";
  EXPECT_THAT(weir({"serve"}).err, HasSubstr("http.address: 'x' is not HOST:PORT"));
}

TEST_F(Config, print_says_what_the_variables_of_opentelemetry_say) {
  variables_["OTEL_SERVICE_NAME"] = "lending";
  variables_["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://user:s3/cret@collector:4317";
  const auto printed = weir({"config", "print"});
  EXPECT_THAT(printed.out, HasSubstr("lending"));
  EXPECT_THAT(printed.out, HasSubstr("OTEL_SERVICE_NAME"));
  EXPECT_THAT(printed.out, HasSubstr("http://user:***@collector:4317"));
  variables_["WEIR_TELEMETRY_SERVICE_NAME"] = "own";
  EXPECT_THAT(weir({"config", "print"}).out, Not(HasSubstr("lending")));
}

TEST_F(Config, serve_shows_no_password_of_a_store_that_it_does_not_know) {
  const auto refused = weir({"serve", "--store", "postgress://u:s3cret@h/d"});
  EXPECT_EQ(refused.exit, Exit::usage);
  EXPECT_THAT(refused.err, HasSubstr("'postgress://u:***@h/d' is not sqlite:PATH"));
}

TEST_F(Config, print_says_what_holds_and_where_it_comes_from) {
  variables_["WEIR_CONFIG"] = file("http: {threads: 4, connections_max: 100, idle_timeout: 20s}");
  variables_["WEIR_HTTP_CONNECTIONS_MAX"] = "200";
  variables_["WEIR_HTTP_IDLE_TIMEOUT"] = "30s";
  const auto printed = weir({"config", "print", "--http-idle-timeout", "90"});
  EXPECT_EQ(printed.exit, Exit::fine) << printed.err;
  const auto line = [&](const std::string& name) {
    const auto at = printed.out.find(name + " ");
    return printed.out.substr(at, printed.out.find('\n', at) - at);
  };
  EXPECT_THAT(line("http.threads"), ::testing::MatchesRegex("http.threads +4 .*weir.yaml:1"));
  EXPECT_THAT(line("http.connections_max"),
              ::testing::MatchesRegex("http.connections_max +200 +WEIR_HTTP_CONNECTIONS_MAX"));
  EXPECT_THAT(line("http.idle_timeout"),
              ::testing::MatchesRegex("http.idle_timeout +90s +--http-idle-timeout"));
  EXPECT_THAT(line("grpc.address"),
              ::testing::MatchesRegex("grpc.address +127.0.0.1:50051 +default"));
}

TEST_F(Config, print_hides_secrets) {
  variables_["WEIR_STORE"] = "postgres://weir:s3cret@db/weir?password=s3cret&sslmode=require";
  variables_["WEIR_TELEMETRY_HEADERS"] = "api-key=s3cret";
  for (const auto& arguments : {std::vector<std::string>{"config", "print"},
                                std::vector<std::string>{"config", "print", "--json"}}) {
    const auto printed = weir(arguments);
    EXPECT_EQ(printed.exit, Exit::fine) << printed.err;
    EXPECT_THAT(printed.out, Not(HasSubstr("s3cret")));
    EXPECT_THAT(printed.out, HasSubstr("postgres://weir:***@db/weir?password=***&sslmode=require"));
    EXPECT_THAT(printed.out, HasSubstr("(hidden)"));
  }
  EXPECT_THAT(weir({"config", "print", "--json"}).out,
              HasSubstr(R"("log.level": {"value": "info", "from": "default", )"
                        R"("place": "default"})"));
}

TEST_F(Config, serve_takes_file_variables_and_flags_in_rising_order) {
  variables_["WEIR_LIMITS_TAGS_MAX"] = "20";
  variables_["WEIR_LIMITS_EVENTS_MAX"] = "20";
  weir({"serve", "--config",
        file("store: sqlite:of-the-file.db\n"
             "limits: {tags_max: 10, events_max: 10, queue_max: 10, data_bytes_max: 64KiB}\n"),
        "--events-max", "30"});
  EXPECT_EQ(opened_, "sqlite:of-the-file.db");
  EXPECT_EQ(opened_with_.queue_max, 10u);
  EXPECT_EQ(opened_with_.limits.data_bytes_max, 65'536u);
  EXPECT_EQ(opened_with_.limits.tags_max, 20u);
  EXPECT_EQ(opened_with_.limits.events_max, 30u);
}

TEST_F(Config, serve_does_not_start_with_a_bad_file_variable_or_flag_and_names_it) {
  const auto refused = [&](std::vector<std::string> arguments) {
    opened_.clear();
    const auto done = weir(std::move(arguments));
    EXPECT_EQ(done.exit, Exit::usage);
    EXPECT_EQ(opened_, "");
    return done.err;
  };
  EXPECT_THAT(refused({"serve", "--config", file("a: 1")}), HasSubstr("weir.yaml:1: a: there is"));
  EXPECT_THAT(refused({"serve", "--grace", "forever"}), HasSubstr("--grace: 'forever'"));
  EXPECT_THAT(refused({"serve", "--config", file("telemetry: {sampler: sometimes}")}),
              HasSubstr("weir.yaml:1: telemetry.sampler: 'sometimes'"));
  EXPECT_THAT(refused({"serve", "--store", "sqlite:a.db", "--store", "sqlite:b.db"}),
              HasSubstr("--store"));
  EXPECT_THAT(refused({"serve", "--http-threads", "2", "--http-threads", "3"}),
              HasSubstr("--http-threads"));
  variables_["WEIR_HTTP_THREADS"] = "0";
  EXPECT_THAT(refused({"serve"}), HasSubstr("WEIR_HTTP_THREADS: 0 is not from 1 to 64"));
}

TEST_F(Config, variables_of_opentelemetry_are_stronger_than_the_file_and_weaker_than_our_own) {
  const auto service_name = [&](const std::string& path) {
    Program program;
    program.environment = [&](const char* name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
    const auto configuration = ServeConfiguration::load({.file = path}, program);
    EXPECT_TRUE(configuration);
    const auto telemetry = (*configuration)->telemetry(program);
    EXPECT_TRUE(telemetry);
    for (const auto& [key, value] : telemetry->resource.attributes) {
      if (key == "service.name") return std::get<std::string>(value);
    }
    return std::string("none");
  };
  const auto path = file("telemetry: {service_name: of-the-file}");
  EXPECT_EQ(service_name(path), "of-the-file");
  variables_["OTEL_SERVICE_NAME"] = "of-opentelemetry";
  EXPECT_EQ(service_name(path), "of-opentelemetry");
  variables_["WEIR_TELEMETRY_SERVICE_NAME"] = "of-weir";
  EXPECT_EQ(service_name(path), "of-weir");
}

TEST_F(Config, has_the_reference_that_is_committed) {
  std::ifstream file(testing_support::source_file("docs/reference/configuration.md"));
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(committed, configuration_reference())
      << "write it again with: tools/build release configuration_reference";
}

TEST(Settings, have_each_a_name_a_sentence_and_a_flag_of_their_own) {
  const ServeConfiguration configuration;
  std::map<std::string, int> flags;
  for (const auto& setting : configuration.list.all()) {
    EXPECT_FALSE(setting.what().empty()) << setting.name();
    EXPECT_FALSE(setting.what().ends_with('.')) << setting.name();
    EXPECT_EQ(++flags[setting.flag()], 1) << setting.flag();
    EXPECT_EQ(++flags[setting.variable()], 1) << setting.variable();
  }
}

}  // namespace
}  // namespace weir::cli
