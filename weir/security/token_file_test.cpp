#include <weir/security/token_file.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <weir/base/random.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::security {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Timestamp now = parse_timestamp("2024-02-29T10:00:00Z").value();

NewToken make(std::uint64_t id) {
  return make_token({.name = "bill \"ing\"\n",
                     .rights = {.read = {"*"}, .append = {"a", "b-*"}},
                     .expires_at = now + std::chrono::hours(1)},
                    now, random_secret(), id)
      .value();
}

class TokenFile : public ::testing::Test {
 protected:
  Result<void> add(Token token) {
    return change_tokens(path_, [&](Tokens& tokens) { return tokens.add(std::move(token)); });
  }
  void write(const std::string& text) { std::ofstream(path_) << text; }
  std::string read() {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  testing_support::TemporaryFolder folder_;
  const std::string path_ = folder_.file("tokens");
};

TEST_F(TokenFile, gives_back_what_was_put_in) {
  const auto one = make(1), other = make(0xABCDEF12);
  ASSERT_TRUE(add(one.token));
  ASSERT_TRUE(add(other.token));
  const auto tokens = read_tokens(path_);
  ASSERT_TRUE(tokens) << tokens.error().message;
  EXPECT_EQ(tokens->all().size(), 2u);
  EXPECT_EQ(*tokens->find(one.secret), one.token);
  EXPECT_EQ(*tokens->find(other.secret), other.token);
}

TEST_F(TokenFile, holds_no_secret_and_is_its_owners_alone) {
  const auto made = make(1);
  ASSERT_TRUE(add(made.token));
  EXPECT_THAT(read(), Not(HasSubstr(made.secret.substr(14))));
  EXPECT_THAT(read(), HasSubstr(to_hex(made.token.hash)));
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(TokenFile, loses_nothing_when_many_change_it_at_once) {
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(add(make(t * 10 + i).token));
    });
  }
  threads.clear();
  EXPECT_EQ(read_tokens(path_)->all().size(), 40u);
}

TEST_F(TokenFile, stays_as_it_was_when_the_change_fails) {
  ASSERT_TRUE(add(make(1).token));
  const auto before = read();
  EXPECT_FALSE(add(make(1).token));
  EXPECT_EQ(read(), before);
}

TEST_F(TokenFile, that_others_may_write_is_refused) {
  ASSERT_TRUE(add(make(1).token));
  ::chmod(path_.c_str(), 0620);
  EXPECT_EQ(read_tokens(path_).error().code, Code::permission_denied);
  EXPECT_THAT(read_tokens(path_).error().message, HasSubstr("chmod 600"));
  EXPECT_FALSE(add(make(2).token)) << "what is not trusted must not be rewritten as if it were";
}

TEST_F(TokenFile, keeps_its_owner_its_group_and_its_mode) {
  ASSERT_TRUE(add(make(1).token));
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  // Only root can give a file away; others see at least the mode stay.
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_EQ(::chown(path_.c_str(), 1234, 4321), 0);
  }
  ASSERT_TRUE(add(make(2).token));
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0640u);
  EXPECT_EQ(about.st_uid, root ? 1234u : ::geteuid());
  EXPECT_EQ(about.st_gid, root ? 4321u : ::getegid());
}

// The server reads what the link leads to.
TEST_F(TokenFile, behind_a_link_is_replaced_and_the_link_stays) {
  ASSERT_TRUE(add(make(1).token));
  const auto link = folder_.file("link");
  std::filesystem::create_symlink(path_, link);
  ASSERT_TRUE(change_tokens(link, [](Tokens& tokens) { return tokens.add(make(2).token); }));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(read_tokens(path_)->all().size(), 2u);
  std::filesystem::remove(path_);
  const auto dangling = change_tokens(link, [](Tokens&) { return Result<void>(); });
  ASSERT_FALSE(dangling);
  EXPECT_THAT(dangling.error().message, HasSubstr("link: it is a link that leads to no file"));
}

TEST_F(TokenFile, that_was_cut_off_is_refused_and_may_be_begun_with) {
  write("");
  EXPECT_THAT(read_tokens(path_).error().message, HasSubstr("tokens: it is empty"));
  ::chmod(path_.c_str(), 0600);
  ASSERT_TRUE(add(make(1).token));
  ASSERT_TRUE(change_tokens(path_, [](Tokens& tokens) {
    EXPECT_TRUE(tokens.remove(make(1).token.id));
    return Result<void>();
  }));
  EXPECT_EQ(read_tokens(path_)->all().size(), 0u) << "all of them may be revoked";
}

TEST_F(TokenFile, that_is_a_pipe_is_refused_and_not_waited_for) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(read_tokens(path_).error().message, HasSubstr("it is no regular file"));
}

TEST_F(TokenFile, names_the_line_that_is_wrong_and_why) {
  ASSERT_TRUE(add(make(1).token));
  const auto good = read();
  const auto line = good.substr(good.find('{'));
  const auto with = [&](const std::string& from, const std::string& to) {
    auto text = line;
    text.replace(text.find(from), from.size(), to);
    const auto tokens = parse_tokens("# a comment\n" + text, "tokens");
    return tokens ? "" : tokens.error().message;
  };
  EXPECT_THAT(with("{", "["), HasSubstr("tokens:2: it is not a JSON object"));
  EXPECT_THAT(with("\"sha256\":\"", "\"sha256\":\"x"), HasSubstr("tokens:2: sha256"));
  EXPECT_THAT(with("\"00000001\"", "\"1\""), HasSubstr("id: eight"));
  EXPECT_THAT(with("\"read\":[\"*\"]", "\"read\":\"*\""), HasSubstr("read: a list"));
  EXPECT_THAT(with("\"expiresAt\"", "\"expires\""), HasSubstr("expires: it is unknown"))
      << "a token must not live for ever because its end is misspelt";
  EXPECT_THAT(with("\"createdAt\":\"2024", "\"createdAt\":\"noon"), HasSubstr("createdAt"));
  EXPECT_THAT(parse_tokens(line + line, "tokens").error().message, HasSubstr("there already"));
}

TEST_F(TokenFile, that_is_not_there_is_said_so) {
  EXPECT_EQ(read_tokens(path_).error().code, Code::not_found);
  EXPECT_EQ(
      change_tokens(folder_.file("no/such"), [](Tokens&) { return Result<void>(); }).error().code,
      Code::not_found);
}

}  // namespace
}  // namespace weir::security
