#include <weir/security/token.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/base/random.hpp>

namespace weir::security {
namespace {

using ::testing::HasSubstr;

const Timestamp now = parse_timestamp("2024-02-29T10:00:00Z").value();

NewToken make(std::uint64_t id, Rights rights = {.read = {"*"}}) {
  auto made = make_token({.name = "test", .rights = std::move(rights)}, now, random_secret(), id);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return std::move(made).value();
}

TEST(Sha256, is_that_of_fips_180) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_from_hex(to_hex(sha256("abc"))), sha256("abc"));
  EXPECT_FALSE(digest_from_hex("BA78"));
  EXPECT_FALSE(digest_from_hex(std::string(64, 'G')));
}

TEST(Digest, is_equal_only_to_one_that_is_the_same_in_every_byte) {
  const auto a = sha256("a");
  EXPECT_TRUE(equal(a, a));
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto b = a;
    b[i] ^= 1;
    EXPECT_FALSE(equal(a, b)) << i;
  }
}

TEST(Token, is_found_by_what_its_owner_was_shown_and_by_nothing_else) {
  Tokens tokens;
  const auto one = make(1), other = make(2);
  ASSERT_TRUE(tokens.add(one.token));
  ASSERT_TRUE(tokens.add(other.token));
  EXPECT_EQ(one.secret.size(), token_chars);
  EXPECT_EQ(tokens.find(one.secret)->id, "00000001");
  EXPECT_EQ(tokens.find(other.secret)->id, "00000002");
  auto changed = one.secret;
  for (std::size_t i = 5; i < changed.size(); ++i) {
    const char before = changed[i];
    changed[i] = before == 'a' ? 'b' : 'a';
    EXPECT_EQ(tokens.find(changed), nullptr) << i;
    changed[i] = before;
  }
  // The id of one with the secret of the other.
  EXPECT_EQ(tokens.find(one.secret.substr(0, 14) + other.secret.substr(14)), nullptr);
  for (const std::string garbage : {"", "weir_", "weir_00000001_", "Bearer x"}) {
    EXPECT_EQ(tokens.find(garbage), nullptr) << garbage;
  }
  EXPECT_EQ(tokens.find(std::string(token_chars, '\0')), nullptr);
  // The hash, which is in the file, is no token.
  EXPECT_EQ(tokens.find(to_hex(one.token.hash)), nullptr);
}

TEST(Token, of_an_unknown_id_is_nobodys_even_if_its_hash_were_all_zeros) {
  const Tokens tokens;
  EXPECT_EQ(tokens.find(make(7).secret), nullptr);
}

TEST(Token, differs_each_time_it_is_made) {
  EXPECT_NE(make(1).secret, make(1).secret);
}

TEST(Token, allows_what_its_patterns_say_and_no_more) {
  const auto token = make(1, {.read = {"orders", "eu-*"}, .append = {"orders"}}).token;
  EXPECT_TRUE(token.allows(Right::read, "orders"));
  EXPECT_TRUE(token.allows(Right::read, "eu-billing"));
  EXPECT_FALSE(token.allows(Right::read, "us-billing"));
  EXPECT_FALSE(token.allows(Right::read, "orders2"));
  EXPECT_FALSE(token.allows(Right::read, ""));
  EXPECT_TRUE(token.allows(Right::append, "orders"));
  EXPECT_FALSE(token.allows(Right::append, "eu-billing"));
  EXPECT_FALSE(token.allows(Right::admin, "orders"));
  EXPECT_TRUE(make(2, {.read = {"default"}}).token.allows(Right::read, ""));
}

TEST(Pattern, matches_names_with_stars_for_any_characters) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(matches("*a", "aaa"));
  EXPECT_FALSE(matches("a*b", "a-b-c"));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("a", ""));
  // Not in the time that a naive one would take.
  EXPECT_FALSE(matches(std::string("*a*a*a*a*a*a*a*a*a*a*a*a*b"), std::string(60, 'a')));
}

TEST(MakeToken, names_what_is_wrong) {
  const auto error = [](TokenRequest request) {
    const auto made = make_token(request, now, {}, 0);
    return made ? "" : made.error().message;
  };
  EXPECT_THAT(error({.name = "", .rights = {.read = {"*"}}}), HasSubstr("name"));
  EXPECT_THAT(error({.name = "a", .rights = {}}), HasSubstr("--read"));
  EXPECT_THAT(error({.name = "a", .rights = {.read = {"Orders"}}}), HasSubstr("read: 'Orders'"));
  EXPECT_THAT(error({.name = "a", .rights = {.append = {""}}}), HasSubstr("append: ''"));
  EXPECT_THAT(error({.name = "a", .rights = {.read = {"*"}}, .expires_at = now}),
              HasSubstr("expires"));
}

TEST(Tokens, take_an_id_once) {
  Tokens tokens;
  ASSERT_TRUE(tokens.add(make(1).token));
  EXPECT_EQ(tokens.add(make(1).token).error().code, Code::already_exists);
  EXPECT_TRUE(tokens.remove("00000001"));
  EXPECT_FALSE(tokens.remove("00000001"));
}

}  // namespace
}  // namespace weir::security
