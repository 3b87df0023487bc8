#include <gmock/gmock.h>

#include <map>

#include <apps/weir/shell_for_tests.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// `weir serve` with variables, on a store that can't be opened.
Outcome serve(std::map<std::string, std::string> variables, std::vector<std::string> more = {},
              OpenOptions* opened_with = nullptr) {
  Captured out, err;
  Program program;
  program.out = out.file();
  program.err = err.file();
  program.environment = [&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  using Opened = Result<std::shared_ptr<Catalog>>;
  program.open_catalog = [=](const std::string&, const OpenOptions& options) -> Opened {
    if (opened_with != nullptr) *opened_with = options;
    return unavailable("it was opened");
  };
  std::vector<std::string> arguments = {"serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto exit = run(std::move(arguments), program);
  return {exit, out.text(), err.text()};
}

TEST(Serve, does_not_start_with_a_bad_variable_and_names_it) {
  const auto refused = serve({{"OTEL_TRACES_SAMPLER", "sometimes"}});
  EXPECT_EQ(refused.exit, Exit::usage);
  EXPECT_THAT(refused.err, HasSubstr("OTEL_TRACES_SAMPLER: 'sometimes' is none of"));
}

TEST(Serve, names_a_bad_log_format_and_level) {
  EXPECT_THAT(serve({}, {"--log-format", "xml"}).err, HasSubstr("log-format: 'xml'"));
  EXPECT_THAT(serve({}, {"--log-level", "loud"}).err, HasSubstr("log-level: 'loud'"));
}

TEST(Serve, opens_its_store_when_all_is_well) {
  EXPECT_THAT(serve({{"OTEL_SERVICE_NAME", "lending"}}).err, HasSubstr("it was opened"));
}

TEST(Serve, puts_a_shield_of_its_preset_before_postgres_and_none_before_a_file) {
  OpenOptions options;
  const auto failed = serve({}, {"--store", "postgres://db/weir"}, &options);
  EXPECT_EQ(failed.exit, Exit::unavailable);
  EXPECT_THAT(failed.err, HasSubstr("it was opened; with --wait SECONDS it is waited for"));
  ASSERT_TRUE(options.shield);
  EXPECT_FALSE(options.wait_until_up);

  EXPECT_THAT(serve({}, {"--store", "sqlite:x.db"}, &options).err, Not(HasSubstr("--wait")));
  EXPECT_FALSE(options.shield);
  EXPECT_THAT(serve({}, {"--preset", "brave"}).err,
              HasSubstr("--preset: 'brave' is none of development, production, high-throughput"));
}

TEST(Serve, waits_for_postgres_when_told_to) {
  OpenOptions options;
  serve({}, {"--store", "postgres://db/weir", "--wait", "2.5"}, &options);
  EXPECT_TRUE(options.wait_until_up);
  EXPECT_EQ(options.connect_timeout, std::chrono::milliseconds(2500));
}

}  // namespace
}  // namespace weir::cli
