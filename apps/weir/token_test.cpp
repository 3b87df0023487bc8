#include <gmock/gmock.h>

#include <apps/weir/shell_for_tests.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TokenCommands : public Shell {
 protected:
  Outcome token(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "token");
    arguments.insert(arguments.end(), {"--tokens", path("tokens")});
    return weir(std::move(arguments));
  }
};

TEST_F(TokenCommands, make_no_token_that_never_expires_when_a_variable_is_empty) {
  const auto refused = token({"create", "billing", "--read", "*", "--expires", ""});
  EXPECT_EQ(refused.exit, Exit::usage);
  EXPECT_THAT(refused.err, HasSubstr("--expires: must not be empty"));
  EXPECT_FALSE(std::filesystem::exists(path("tokens")));
}

TEST_F(TokenCommands, show_what_a_name_holds_without_handing_it_to_the_terminal) {
  ASSERT_EQ(token({"create", "\x1b[31mred\n", "--read", "*"}).exit, Exit::fine);
  const auto listed = token({"list"});
  EXPECT_EQ(listed.exit, Exit::fine) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("\\x1b[31mred\\x0a"));
  EXPECT_THAT(listed.out, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace weir::cli
