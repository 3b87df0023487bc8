#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/base/result.hpp>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Details, are_empty_at_first) {
  const Details details;
  EXPECT_TRUE(details.empty());
  EXPECT_EQ(details.size(), 0);
  EXPECT_THAT(details, IsEmpty());
  EXPECT_EQ(details.find("field"), details.end());
  EXPECT_EQ(details, Details());
}

TEST(Details, stand_in_the_order_of_their_names) {
  Details details{{"limit", "10"}, {"field", "events"}};
  details["at"] = "3";
  EXPECT_THAT(details, ElementsAre(Pair("at", "3"), Pair("field", "events"), Pair("limit", "10")));
}

TEST(Details, of_a_copy_are_its_own) {
  const Details one{{"field", "events"}};
  Details other = one;
  EXPECT_EQ(other, one);
  other["field"] = "tags";
  EXPECT_EQ(one.at("field"), "events");
  EXPECT_NE(other, one);
  other = one;
  EXPECT_EQ(other, one);
}

TEST(Details, are_gone_from_what_was_moved) {
  Details one{{"field", "events"}};
  const Details other = std::move(one);
  EXPECT_TRUE(one.empty());  // NOLINT: that is what is tested
  EXPECT_EQ(other.at("field"), "events");
}

TEST(Details, keep_the_first_value_unless_it_is_set) {
  Details details{{"field", "events"}};
  details.emplace("field", "tags");
  EXPECT_EQ(details.at("field"), "events");
  details["field"] = "tags";
  EXPECT_EQ(details.at("field"), "tags");
}

TEST(Error, is_small_enough_to_be_handed_on_quickly) {
  EXPECT_LE(sizeof(Error), 64);
  EXPECT_LE(sizeof(Result<void>), 72);
}

}  // namespace
}  // namespace weir
