#include <weir/gateway/path_template.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

PathTemplate make(std::string_view text) {
  auto made = PathTemplate::parse(text);
  EXPECT_TRUE(made) << text;
  return std::move(made).value();
}

TEST(PathTemplate, binds_a_variable_to_one_segment) {
  const auto path = make("/v1/logs/{log}/events");
  EXPECT_THAT(*path.match("/v1/logs/default/events"), ElementsAre(Pair("log", "default")));
  EXPECT_FALSE(path.match("/v1/logs/a/b/events"));
  EXPECT_FALSE(path.match("/v1/logs//events"));
  EXPECT_FALSE(path.match("/v1/logs/default/events/"));
  EXPECT_FALSE(path.match("/v1/logs/default"));
}

TEST(PathTemplate, decodes_percent_and_not_plus) {
  const auto path = make("/v1/{a}");
  EXPECT_THAT(*path.match("/v1/x%2Fy%20z+%C3%A4"), ElementsAre(Pair("a", "x/y z+\xC3\xA4")));
}

TEST(PathTemplate, does_not_match_a_percent_without_two_digits) {
  const auto path = make("/v1/{a}");
  EXPECT_FALSE(path.match("/v1/%"));
  EXPECT_FALSE(path.match("/v1/%2"));
  EXPECT_FALSE(path.match("/v1/%zz"));
}

TEST(PathTemplate, matches_a_verb_only_at_the_end) {
  const auto path = make("/v1/logs/{log}/events:read");
  EXPECT_TRUE(path.match("/v1/logs/a/events:read"));
  EXPECT_FALSE(path.match("/v1/logs/a/events"));
  EXPECT_FALSE(path.match("/v1/logs/a/events:reads"));
  EXPECT_FALSE(path.match("/v1/logs/a/eventsread"));
}

TEST(PathTemplate, binds_a_variable_of_several_segments) {
  const auto path = make("/v1/{name=shelves/*/books/**}:open");
  EXPECT_THAT(*path.match("/v1/shelves/1/books/a/b%2Fc:open"),
              ElementsAre(Pair("name", "shelves/1/books/a/b%2Fc")));
  EXPECT_FALSE(path.match("/v1/rooms/1/books/a:open"));
}

TEST(PathTemplate, keeps_an_encoded_slash_in_an_open_ended_variable_of_one_part) {
  EXPECT_THAT(*make("/{name=**}").match("/a%2Fb"), ElementsAre(Pair("name", "a%2Fb")));
}

TEST(PathTemplate, binds_dotted_fields_in_order) {
  const auto path = make("/{a.b}/x/{c}");
  EXPECT_THAT(path.variables(), ElementsAre("a.b", "c"));
  EXPECT_EQ(path.simple(), "/{a.b}/x/{c}");
}

TEST(PathTemplate, prefers_literals_and_verbs) {
  EXPECT_TRUE(make("/v1/a").more_specific_than(make("/v1/{x}")));
  EXPECT_TRUE(make("/v1/{x}").more_specific_than(make("/{y=**}")));
  EXPECT_TRUE(make("/v1/{x}:go").more_specific_than(make("/v1/{x}")));
  EXPECT_FALSE(make("/v1/{x}").more_specific_than(make("/v1/{y}")));
}

TEST(PathTemplate, refuses_what_is_not_a_template) {
  for (const auto* text : {"", "v1", "/", "/v1//a", "/v1/{", "/v1/{}", "/v1/{a", "/v1/{a=}",
                           "/v1/{a={b}}", "/**/a", "/a:", "/a:b/c", "/a}b", "/{a b}", "/a:b:c"}) {
    EXPECT_FALSE(PathTemplate::parse(text)) << text;
  }
}

}  // namespace
}  // namespace weir::gateway
