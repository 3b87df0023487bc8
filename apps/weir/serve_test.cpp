#include <gmock/gmock.h>

#include <map>

#include <apps/weir/shell_for_tests.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;

/// `weir serve` with variables, on a store that must not be opened.
Outcome serve(std::map<std::string, std::string> variables,
              std::vector<std::string> more = {}) {
  Captured out, err;
  Program program;
  program.out = out.file();
  program.err = err.file();
  program.environment = [&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  using Opened = Result<std::shared_ptr<Catalog>>;
  program.open_catalog = [](const std::string&, const OpenOptions&) -> Opened {
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

}  // namespace
}  // namespace weir::cli
