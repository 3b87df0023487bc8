#include <weir/config/settings.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include <weir/config/reference.hpp>
#include <weir/config/yaml_file.hpp>

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Options {
  std::string address = "127.0.0.1:8080";
  std::size_t threads = 2;
  std::size_t body_bytes = 32 << 20;
  std::chrono::milliseconds idle{75'000};
  double ratio = 0.5;
  bool open = false;
  std::string format = "text";
  std::vector<std::string> origins;
  std::string token;
};

struct Example {
  Options options;
  Settings settings{"WEIR"};
  Example() {
    settings.text("http.address", options.address, "Where to listen").flag("--http");
    settings.number("http.threads", options.threads, 1, 64, "Threads");
    settings.bytes("http.body_bytes_max", options.body_bytes, 0, std::size_t{2} << 30, "Body");
    settings.duration("http.idle_timeout", options.idle, 1ms, 24h, "Rest").reloads();
    settings.decimal("breaker.ratio", options.ratio, 0, 1, "Ratio").reloads();
    settings.flag_switch("open", options.open, "Open to all");
    settings.choice("log.format", options.format, {"text", "json"}, "Lines");
    settings.list("cors.origins", options.origins, "Origins");
    settings.text("token", options.token, "Secret").secret();
  }
  std::string error(const std::string& yaml) {
    const auto read = settings.read_yaml(yaml, "weir.yaml");
    return read ? "" : read.error().message;
  }
};

Settings::Lookup variables(std::map<std::string, std::string> all) {
  return [all = std::move(all)](const char* name) -> std::optional<std::string> {
    const auto found = all.find(name);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(Settings, read_a_file_into_the_fields_they_are_bound_to) {
  Example example;
  EXPECT_EQ(example.error("http:\n"
                          "  address: 127.0.0.1:9090\n"
                          "  threads: 4\n"
                          "  body_bytes_max: 64MiB\n"
                          "  idle_timeout: 30s\n"
                          "breaker: {ratio: 0.25}\n"
                          "open: true\n"
                          "log:\n"
                          "  format: json\n"
                          "cors:\n"
                          "  origins: [https://a.example, https://b.example]\n"),
            "");
  const auto& options = example.options;
  EXPECT_EQ(options.address, "127.0.0.1:9090");
  EXPECT_EQ(options.threads, 4u);
  EXPECT_EQ(options.body_bytes, 64u << 20);
  EXPECT_EQ(options.idle, 30s);
  EXPECT_EQ(options.ratio, 0.25);
  EXPECT_TRUE(options.open);
  EXPECT_EQ(options.format, "json");
  EXPECT_THAT(options.origins, ElementsAre("https://a.example", "https://b.example"));
  EXPECT_EQ(example.settings.find("http.threads")->place(), "weir.yaml:3");
  EXPECT_EQ(example.settings.find("token")->place(), "default");
}

TEST(Settings, what_is_read_last_wins_and_says_where_it_came_from) {
  Example example;
  EXPECT_EQ(example.error("http: {threads: 4, idle_timeout: 30s, body_bytes_max: 1KiB}"), "");
  ASSERT_TRUE(example.settings.read_environment(
      variables({{"WEIR_HTTP_THREADS", "8"},
                 {"WEIR_HTTP_IDLE_TIMEOUT", "40s"},
                 {"WEIR_OPEN", ""},
                 {"WEIR_CORS_ORIGINS", "https://a.example, https://b.example"}})));
  ASSERT_TRUE(example.settings.read_flags({{"http.threads", "16"}}));
  EXPECT_EQ(example.options.threads, 16u);
  EXPECT_EQ(example.options.idle, 40s);
  EXPECT_EQ(example.options.body_bytes, 1024u);
  EXPECT_FALSE(example.options.open);
  EXPECT_THAT(example.options.origins, ElementsAre("https://a.example", "https://b.example"));
  EXPECT_EQ(example.settings.find("http.threads")->origin(), Origin::flag);
  EXPECT_EQ(example.settings.find("http.threads")->place(), "--http-threads");
  EXPECT_EQ(example.settings.find("http.idle_timeout")->place(), "WEIR_HTTP_IDLE_TIMEOUT");
  EXPECT_EQ(example.settings.find("http.body_bytes_max")->place(), "weir.yaml:1");
}

TEST(Settings, name_file_line_key_and_range_of_what_is_wrong) {
  EXPECT_EQ(Example().error("http:\n  threads: 100\n"),
            "weir.yaml:2: http.threads: 100 is not from 1 to 64");
  EXPECT_EQ(Example().error("http:\n  idle_timeout: 5m\n"),
            "weir.yaml:2: http.idle_timeout: '5m' is not a duration, such as 250ms, 30s, 5min, 1h "
            "or 7d");
  EXPECT_EQ(Example().error("http: {body_bytes_max: 3GiB}"),
            "weir.yaml:1: http.body_bytes_max: 3GiB is not from 0 to 2GiB");
  EXPECT_EQ(Example().error("breaker: {ratio: 1.5}"),
            "weir.yaml:1: breaker.ratio: 1.5 is not from 0 to 1");
  EXPECT_EQ(Example().error("log: {format: xml}"),
            "weir.yaml:1: log.format: 'xml' is none of text, json");
  EXPECT_THAT(Example().error("open: maybe"), HasSubstr("weir.yaml:1: open: 'maybe'"));
  EXPECT_THAT(Example().error("http: {threads: [1, 2]}"), HasSubstr("not a list"));
  EXPECT_THAT(Example().error("http:\n  threads:\n"), HasSubstr("weir.yaml:2: http.threads: "));
}

TEST(Settings, name_the_setting_that_an_unknown_one_is_near) {
  EXPECT_EQ(Example().error("\nhttp:\n  adress: x\n"),
            "weir.yaml:3: http.adress: there is no such setting; did you mean http.address?");
  EXPECT_EQ(Example().error("idle_timeout: 3s"),
            "weir.yaml:1: idle_timeout: there is no such setting; did you mean http.idle_timeout?");
  EXPECT_EQ(Example().error("colour_of_the_sky: blue"),
            "weir.yaml:1: colour_of_the_sky: there is no such setting");
  // A section where a value is expected, and the other way round.
  EXPECT_THAT(Example().error("open: {wide: true}"), HasSubstr("open.wide: there is no such"));
  EXPECT_THAT(Example().error("http: 5"), HasSubstr("weir.yaml:1: http: there is no such"));
}

TEST(Settings, tell_all_that_is_wrong_with_a_file_at_once) {
  const auto error = Example().error("http:\n  threads: 0\n  adress: x\nopen: 7\n");
  EXPECT_THAT(error, HasSubstr("weir.yaml:2: http.threads"));
  EXPECT_THAT(error, HasSubstr("weir.yaml:3: http.adress"));
  EXPECT_THAT(error, HasSubstr("weir.yaml:4: open"));
  std::string many;
  for (int i = 0; i < 50; ++i) many += "wrong" + std::to_string(i) + ": 1\n";
  EXPECT_THAT(Example().error(many), HasSubstr("and 30 more"));
}

TEST(Settings, refuse_what_is_no_map_of_names) {
  EXPECT_THAT(Example().error("http: {threads: 1\n"), HasSubstr("not YAML"));
  EXPECT_THAT(Example().error("open: true\nopen: true\n"),
              HasSubstr("weir.yaml:2: open: it is there twice"));
  EXPECT_THAT(Example().error("- a\n- b\n"), HasSubstr("'name: value' is expected"));
  EXPECT_THAT(Example().error("open: true\n---\nopen: false\n"), HasSubstr("2 documents"));
  EXPECT_THAT(Example().error("cors: {origins: [{a: b}]}"),
              HasSubstr("a list holds single values"));
  EXPECT_THAT(Example().error("? [a, b]\n: c\n"), HasSubstr("a name must be a word"));
  EXPECT_THAT(Example().error("a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}"),
              HasSubstr("too deep"));
  EXPECT_EQ(Example().error(""), "");
  EXPECT_EQ(Example().error("# nothing\n"), "");
}

TEST(Settings, name_the_variable_or_flag_that_is_wrong) {
  Example example;
  EXPECT_EQ(
      example.settings.read_environment(variables({{"WEIR_HTTP_THREADS", "x"}})).error().message,
      "WEIR_HTTP_THREADS: 'x' is not a whole number");
  EXPECT_EQ(example.settings.read_flags({{"http.address", "a\nb"}}).error().message,
            "--http: it must be one line");
  EXPECT_EQ(example.options.threads, 2u);
}

TEST(Settings, never_show_a_secret) {
  Example example;
  EXPECT_EQ(example.settings.find("token")->shown(), "");
  EXPECT_EQ(example.error("token: s3cret"), "");
  EXPECT_EQ(example.settings.find("token")->shown(), "(hidden)");
  EXPECT_THAT(example.error("token: \"s3cret\\nx\""), Not(HasSubstr("s3cret")));
}

TEST(Settings, say_which_of_them_changed) {
  Example before, now;
  EXPECT_TRUE(changed(before.settings, now.settings).empty());
  EXPECT_EQ(now.error("http: {threads: 4, idle_timeout: 30s}\nlog: {format: text}"), "");
  const auto changes = changed(before.settings, now.settings);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0]->name(), "http.threads");
  EXPECT_FALSE(changes[0]->is_reloadable());
  EXPECT_EQ(changes[1]->name(), "http.idle_timeout");
  EXPECT_TRUE(changes[1]->is_reloadable());
}

TEST(Settings, are_a_reference_with_every_name) {
  Example example;
  const auto page = reference(example.settings, "# Settings\n");
  for (const auto& setting : example.settings.all()) {
    EXPECT_THAT(page, HasSubstr(setting.name()));
    EXPECT_THAT(page, HasSubstr(setting.variable()));
    EXPECT_THAT(page, HasSubstr("`" + setting.flag() + "`"));
  }
  EXPECT_THAT(page, HasSubstr("## http"));
  EXPECT_THAT(page, HasSubstr("1ms to 1d"));
}

TEST(Settings, tell_of_variables_that_nobody_looks_up_and_what_was_meant) {
  Example example;
  EXPECT_THAT(example.settings.unknown_variables({{"WEIR_HTTP_ADRESS", "x"},
                                                  {"WEIR_HTTP_ADDRESS", "x"},
                                                  {"WEIR_CONFIG", "x"},
                                                  {"WEIR_SOMETHING_ELSE_ALTOGETHER", ""},
                                                  {"WEIRD_HTTP_ADRESS", "x"},
                                                  {"PATH", "/bin"}},
                                                 {"WEIR_CONFIG"}),
              ElementsAre("WEIR_HTTP_ADRESS: there is no such setting; did you mean "
                          "WEIR_HTTP_ADDRESS?",
                          "WEIR_SOMETHING_ELSE_ALTOGETHER: there is no such setting"));
}

TEST(Settings, pass_over_the_variables_that_kubernetes_sets) {
  Example example;
  EXPECT_THAT(example.settings.unknown_variables({{"WEIR_SERVICE_HOST", "10.0.0.1"},
                                                  {"WEIR_SERVICE_PORT", "8080"},
                                                  {"WEIR_SERVICE_PORT_GRPC", "50051"},
                                                  {"WEIR_PORT", "tcp://10.0.0.1:8080"},
                                                  {"WEIR_PORT_8080_TCP", "tcp://10.0.0.1:8080"},
                                                  {"WEIR_PORT_8080_TCP_PROTO", "tcp"},
                                                  {"WEIR_PORT_8080_TCP_PORT", "8080"},
                                                  {"WEIR_PORT_8080_TCP_ADDR", "10.0.0.1"},
                                                  {"WEIR_GRPC_SERVICE_HOST", "10.0.0.1"}},
                                                 {}),
              ElementsAre());
  EXPECT_THAT(example.settings.unknown_variables({{"WEIR_HTTP_PORT", "8080"}}, {}),
              ElementsAre("WEIR_HTTP_PORT: there is no such setting"))
      << "a person's mistake looks like this";
}

TEST(ReadYaml, says_that_a_file_is_not_there_or_is_none_or_is_too_large) {
  const auto folder = ::testing::TempDir();
  EXPECT_EQ(read_yaml(folder + "/no-such.yaml").error().code, Code::not_found);
  EXPECT_FALSE(read_yaml(folder));
  const auto large = folder + "weir-config-large.yaml";
  std::ofstream(large) << "a: " << std::string(file_bytes_max, 'x');
  EXPECT_THAT(read_yaml(large).error().message, HasSubstr("larger than"));
  std::remove(large.c_str());
}

}  // namespace
}  // namespace weir::config
