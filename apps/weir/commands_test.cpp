#include <algorithm>
#include <regex>
#include <set>

#include <gmock/gmock.h>

#include <apps/weir/shell_for_tests.hpp>

#include <CLI/CLI.hpp>
#include <tests/support/places.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Commands : public Shell {};

TEST_F(Commands, import_export_import_export_gives_the_same_bytes) {
  const auto csv = write("a.csv",
                         "what,who,when,n\n"
                         "B,ada,2020-01-02T00:00:00.000001Z,\"x\ny\"\n"
                         "A,bob,2020-01-01T00:00:00Z,1\n"
                         "A,bob,2020-01-01T00:00:00Z,1\n");
  const std::vector<std::string> import = {"import", csv,       "--type", "what",
                                           "--tag",  "who=who", "--time", "when"};
  EXPECT_EQ(weir(import).out, "imported 3 events, skipped 0 rows\n");
  EXPECT_EQ(weir(import).out, "imported 0 events, 3 were there already, skipped 0 rows\n");
  ASSERT_TRUE(store().append(
      {.events = {event("N")
                      .json("{\"n\":1234567890123456789012345678901234567890 }")
                      .with("z", "1")
                      .with("a", "2"),
                  event("T").json("{\n}"),
                  Event{.type = "B", .data = std::string("\0\xFF", 2), .content_type = "x/y"}},
       .tracking = Tracking{"s", 4}}));
  EXPECT_EQ(weir({"export", path("1.ndjson")}).out, "exported 6 events\n");
  catalog_ = std::make_shared<testing::MemoryCatalog>();
  EXPECT_EQ(weir({"import", path("1.ndjson")}).out, "imported 6 events, skipped 0 rows\n");
  EXPECT_EQ(weir({"export"}).out, read("1.ndjson"));
  EXPECT_FALSE(std::filesystem::exists(path("1.ndjson.unfinished")));
}

TEST_F(Commands, import_tells_bad_rows_by_line_and_says_what_it_skipped) {
  const auto csv = write("a.csv", "t,n\nA,1\nB\n,2\nC,3\n");
  const auto done = weir({"import", csv, "--type", "t"});
  EXPECT_EQ(done.exit, Exit::fine);
  EXPECT_EQ(done.out, "imported 2 events, skipped 2 rows\n");
  EXPECT_EQ(done.err,
            "line 3: row: has 1 columns, the header has 2\n"
            "line 4: row.type: must not be empty\n");
  EXPECT_EQ(weir({"import", csv, "--type", "t", "--json"}).out,
            "{\"imported\":0,\"alreadyThere\":2,\"skipped\":2,\"dryRun\":false}\n");
}

TEST_F(Commands, import_that_is_strict_stops_at_the_first_bad_row_and_appends_nothing) {
  const auto lines = write("a.ndjson", "{\"type\":\"A\"}\n{\"type\":}\n{]\n");
  const auto done = weir({"import", "--strict", lines});
  EXPECT_EQ(done.exit, Exit::usage);
  EXPECT_THAT(done.err, HasSubstr("line 2: type"));
  EXPECT_THAT(done.err, ::testing::Not(HasSubstr("line 3")));
  EXPECT_EQ(store().head().value(), Position(0));
}

TEST_F(Commands, import_takes_the_format_from_the_name_the_content_or_the_option) {
  EXPECT_EQ(weir({"import", "-"}, "{\"type\":\"A\"}\n").out, "imported 1 events, skipped 0 rows\n");
  EXPECT_EQ(weir({"import", "-", "--type", "t"}, "t\nB\n").out,
            "imported 1 events, skipped 0 rows\n");
  EXPECT_EQ(weir({"import", write("x.csv", "{\"type\":\"C\"}\n"), "--format", "ndjson"}).out,
            "imported 1 events, skipped 0 rows\n");
  EXPECT_EQ(store().head().value(), Position(3));
}

TEST_F(Commands, import_says_which_option_is_wrong) {
  const auto limits = weir({"import", write("a.ndjson", "{}"), "--limits", "umadb"});
  EXPECT_EQ(limits.exit, Exit::usage);
  EXPECT_THAT(limits.err, HasSubstr("--limits: umadb needs --store"));
  const auto csv = write("a.csv", "t,n\nA,1\n");
  EXPECT_THAT(weir({"import", csv}).err, HasSubstr("--type"));
  EXPECT_THAT(weir({"import", csv, "--type", "x"}).err, HasSubstr("no column 'x'"));
  EXPECT_THAT(weir({"import", csv, "--type", "t", "--tag", "n"}).err, HasSubstr("COLUMN=key"));
  EXPECT_THAT(weir({"import", csv, "--type", "t", "--separator", "xx"}).err,
              HasSubstr("--separator"));
  EXPECT_EQ(weir({"import", path("none.csv"), "--type", "t"}).exit, Exit::failed);
  EXPECT_EQ(weir({"import", csv, "--type", "t", "--batch", "0"}).exit, Exit::usage);
  const auto large = write("large.csv", "t\n" + std::string(3 << 20, 'x') + "\n");
  EXPECT_THAT(weir({"import", large, "--type", "t", "--memory-max", "1"}).err,
              HasSubstr("--memory-max"));
}

TEST_F(Commands, brings_in_the_real_log_when_it_is_there) {
  const char* real = std::getenv("WEIR_RECEIPT_CSV");
  if (real == nullptr) GTEST_SKIP() << "WEIR_RECEIPT_CSV names no file";
  const auto done =
      weir({"import", real, "--type", "concept:name", "--tag", "case:concept:name=case", "--tag",
            "org:resource=resource", "--time", "time:timestamp"});
  EXPECT_EQ(done.out, "imported 8577 events, skipped 0 rows\n") << done.err;
}

TEST_F(Commands, logs_are_created_and_listed) {
  EXPECT_EQ(weir({"log", "create", "orders", "--index", "reader"}).out, "orders\n");
  EXPECT_EQ(weir({"log", "create", "orders", "--index", "reader"}).exit, Exit::fine);
  EXPECT_EQ(weir({"log", "create", "orders"}).exit, Exit::failed);
  EXPECT_EQ(weir({"log", "create", "No Name"}).exit, Exit::usage);
  ASSERT_EQ(weir({"append", "--type", "A", "--log", "orders"}).out, "1\n");
  EXPECT_THAT(weir({"log", "list", "--json"}).out,
              HasSubstr("{\"log\":\"orders\",\"head\":1,\"indexedKeys\":[\"reader\"]"));
  EXPECT_THAT(weir({"log", "list"}).out, HasSubstr("default"));
}

TEST_F(Commands, backup_hands_store_and_destination_to_the_engine) {
  EXPECT_EQ(weir({"backup", "b.db", "--store", "sqlite:a.db"}).exit, Exit::failed);
  BackupRequest last;
  backup_ = [&](const BackupRequest& request) -> Result<BackupDone> {
    last = request;
    request.on_progress(1, 2);
    return BackupDone{.bytes = 4096};
  };
  EXPECT_EQ(weir({"backup", "b.db", "--store", "sqlite:a.db", "--log", "orders"}).out,
            "wrote 4096 bytes to b.db\n");
  EXPECT_EQ(last.store, "sqlite:a.db");
  EXPECT_EQ(last.log, "orders");
  EXPECT_EQ(last.destination, "b.db");
  EXPECT_EQ(weir({"backup", "b.db", "--target", "host:1"}).exit, Exit::fine);
  EXPECT_EQ(last.store, "weir://host:1");
  EXPECT_EQ(weir({"backup"}).exit, Exit::usage);
}

TEST_F(Commands, serve_refuses_a_limit_outside_of_its_range_and_names_it) {
  for (const auto* option : {"--tags-max", "--append-bytes-max", "--queue-max"}) {
    const auto refused = weir({"serve", option, "0"});
    EXPECT_EQ(refused.exit, Exit::usage);
    EXPECT_THAT(refused.err, HasSubstr(option));
  }
  EXPECT_THAT(weir({"serve", "--help"}).out, HasSubstr("Bytes of a tag, 1 to 65535"));
}

TEST_F(Commands, take_no_number_that_is_none_or_infinite) {
  for (const auto* number : {"nan", "-nan", "inf", "-inf", "1e999", ""}) {
    for (const auto* option : {"--seconds", "--warm-up", "--timeout", "--wait"}) {
      const auto refused = weir({"bench", "append", option, number});
      EXPECT_EQ(refused.exit, Exit::usage) << option << number;
      EXPECT_THAT(refused.err, HasSubstr(std::string(option) + ": "));
    }
  }
}

TEST_F(Commands, help_and_version_are_there_and_unknown_commands_are_not) {
  EXPECT_THAT(weir({"--version"}).out, ::testing::MatchesRegex("weir [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_THAT(weir({"--help"}).out, HasSubstr("Exit codes"));
  EXPECT_THAT(weir({"read", "--help"}).out, HasSubstr("--occurred-until"));
  EXPECT_EQ(weir({"swim"}).exit, Exit::usage);
  EXPECT_EQ(weir({}).exit, Exit::usage);
}

TEST_F(Commands, completion_knows_every_command_in_every_shell) {
  for (const auto* shell : {"bash", "zsh", "fish"}) {
    const auto script = weir({"completion", shell}).out;
    for (const auto& command : commands()) {
      const std::string name = command.name;
      EXPECT_THAT(script, HasSubstr(name.substr(name.rfind(' ') + 1))) << shell;
    }
    EXPECT_THAT(script, HasSubstr("idempotency-key")) << shell;
  }
  EXPECT_EQ(weir({"completion", "csh"}).exit, Exit::usage);
}

/// Every option of a command, long names only: "--tag".
std::set<std::string> options_of(const CLI::App& app) {
  std::set<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      if (name != "help") names.insert("--" + name);
    }
  }
  return names;
}

TEST_F(Commands, docs_describe_every_option_of_every_command_and_no_others) {
  std::stringstream content;
  content << std::ifstream(testing_support::source_file("docs/cli.md")).rdbuf();
  const auto docs = content.str();
  // The flags that are settings have a page of their own, made from their list.
  std::stringstream settings;
  settings
      << std::ifstream(testing_support::source_file("docs/reference/configuration.md")).rdbuf();
  Program program;
  cli::Run chosen;
  const auto app = define_program(program, chosen);
  for (const auto& command : commands()) {
    const std::string name = command.name;
    const auto heading = "\n## weir " + name + "\n";
    const auto begin = docs.find(heading);
    ASSERT_NE(begin, std::string::npos) << "docs/cli.md has no section for " << name;
    const auto section = docs.substr(begin + 1, docs.find("\n## ", begin + 1) - begin);
    EXPECT_THAT(section, HasSubstr("weir " + name)) << "needs an example";
    const auto* sub = app.get();
    std::istringstream words(name);
    for (std::string word; words >> word;) sub = sub->get_subcommand(word);
    // What most commands share is described once, under "Where the log is" and "Queries".
    const auto shared = docs.substr(0, docs.find("\n## weir ")) + settings.str();
    std::set<std::string> missing, unknown;
    const auto known = options_of(*sub);
    for (const auto& option : known) {
      const auto described = [&](const std::string& text) {
        return text.find("`" + option) != std::string::npos;
      };
      if (!described(section) && !described(shared)) missing.insert(option);
    }
    const std::regex mention("`(--[a-z-]+)");
    for (std::sregex_iterator i(section.begin(), section.end(), mention), end; i != end; ++i) {
      if (!known.contains((*i)[1])) unknown.insert((*i)[1]);
    }
    EXPECT_THAT(missing, IsEmpty()) << name;
    EXPECT_THAT(unknown, IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace weir::cli
