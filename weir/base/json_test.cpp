#include <weir/base/json.hpp>

#include <gmock/gmock.h>

#include <map>
#include <random>

namespace weir {
namespace {

TEST(CheckJson, takes_numbers_of_any_size) {
  for (const std::string text :
       {"1234567890123456789012345678901234567890", "-0.0", "1e999999", "1E-400000", "0.1e+1",
        "18446744073709551616", R"({"n":1234567890123456789012345678901234567890.5})"}) {
    EXPECT_TRUE(check_json(text)) << text;
  }
}

TEST(CheckJson, refuses_what_is_not_one_document) {
  for (const std::string text : {"",
                                 " ",
                                 "{",
                                 "[1,]",
                                 "{\"a\"}",
                                 "01",
                                 "+1",
                                 ".5",
                                 "1.",
                                 "1e",
                                 "nul",
                                 "'a'",
                                 "{} {}",
                                 "\"\x01\"",
                                 "\"\\x\"",
                                 "\"\\ud800\"",
                                 "\"\xff\"",
                                 "\"\xc0\x80\"",
                                 "NaN",
                                 "[1]x",
                                 "\xef\xbb\xbf{}"}) {
    const auto checked = check_json(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(checked.error().code, Code::invalid_argument) << text;
    EXPECT_FALSE(checked.error().message.empty());
  }
}

TEST(CheckJson, allows_so_much_nesting_and_no_more) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(check_json(nested(json_depth_max)));
  EXPECT_FALSE(check_json(nested(json_depth_max + 1)));
  EXPECT_FALSE(check_json(std::string(1'000'000, '[')));
  EXPECT_TRUE(check_json(nested(3), 3));
  EXPECT_FALSE(check_json(nested(4), 3));
  EXPECT_TRUE(check_json(nested(1024), 1024));
}

TEST(CheckJson, names_the_limit_of_nesting) {
  const auto message = [](const std::string& text) { return check_json(text).error().message; };
  EXPECT_EQ(message(std::string(129, '[')), "json: nested deeper than 128 levels, at byte 128");
  EXPECT_EQ(message(std::string(5000, '[')), "json: nested deeper than 128 levels, at byte 128");
  std::string objects;
  for (int i = 0; i < 200; ++i) objects += "{\"a\":";
  EXPECT_THAT(message(objects), ::testing::HasSubstr("nested deeper than 128 levels"));
}

std::map<std::string, std::string> top_level(std::string_view text) {
  std::map<std::string, std::string> members;
  for_each_top_level_string(
      text, [&](std::string_view key, std::string_view value) { members.emplace(key, value); });
  return members;
}

TEST(TopLevelStrings, are_unescaped_and_only_those_of_the_outermost_object) {
  const auto members =
      top_level(R"({"a":"x\n\u00e9\ud83d\ude00","n":12345678901234567890123,"o":{"b":"no"},)"
                R"("l":["no"],"":"empty","k\u0065y":"y","t":true})");
  EXPECT_THAT(members,
              testing::UnorderedElementsAre(testing::Pair("a", "x\n\xc3\xa9\xf0\x9f\x98\x80"),
                                            testing::Pair("", "empty"), testing::Pair("key", "y")));
}

TEST(TopLevelStrings, are_none_in_other_documents) {
  for (const std::string text : {"[\"a\"]", "\"a\"", "7", "", "{\"a\":", "not json"}) {
    EXPECT_TRUE(top_level(text).empty()) << text;
  }
}

TEST(JsonString, comes_back_as_it_was) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (auto n = random() % 30; n > 0; --n) text += static_cast<char>(random() % 128);
    text += "\xc3\xa9";
    std::string json = "{\"k\":";
    append_json_string(json, text);
    json += '}';
    ASSERT_TRUE(check_json(json)) << json;
    EXPECT_EQ(top_level(json).at("k"), text);
  }
}

TEST(Utf8, knows_overlong_forms_surrogates_and_cut_characters) {
  for (const std::string text :
       {"", "abc", "\xc3\xa9", "\xe6\x97\xa5", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const std::string text : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                                 "\xf4\x90\x80\x80", "\xff", "a\xe6\x97", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace weir
