#include <weir/base/excerpt.hpp>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Excerpt, is_the_whole_of_a_short_text) {
  EXPECT_EQ(excerpt("", 4), "");
  EXPECT_EQ(excerpt("abcd", 4), "abcd");
  EXPECT_EQ(excerpt("ä€", 5), "ä€");
  EXPECT_EQ(excerpt(std::string_view("a\0b", 3), 9), std::string("a\0b", 3));
}

TEST(Excerpt, ends_before_a_character_that_does_not_fit) {
  EXPECT_EQ(excerpt("abcde", 4), "abcd");
  EXPECT_EQ(excerpt("abcä", 4), "abc");
  EXPECT_EQ(excerpt("a\U0001F600b", 4), "a");
  EXPECT_EQ(excerpt("ä", 0), "");
}

TEST(Excerpt, shows_what_is_not_utf8_as_question_marks) {
  EXPECT_EQ(excerpt("a\xFF"
                    "b",
                    9),
            "a?b");
  EXPECT_EQ(excerpt("\xC3", 9), "?");
  EXPECT_EQ(excerpt("\xE2\x82", 9), "??");
  EXPECT_EQ(excerpt("\xED\xA0\x80z", 9), "???z");
}

}  // namespace
}  // namespace weir
