#include <gmock/gmock.h>

#include <weir/store/limits.hpp>
#include <weir/store/requests.hpp>

namespace weir {
namespace {

using ::testing::HasSubstr;

TEST(Limits, by_default_lie_within_their_ranges) {
  EXPECT_TRUE(check(Limits{}));
  EXPECT_TRUE(check(highest_limits()));
}

TEST(Limits, outside_of_their_ranges_are_named_with_the_range) {
  for (const auto& range : limit_ranges()) {
    for (const auto wrong : {range.min - 1, range.max + 1}) {
      if (wrong == SIZE_MAX) continue;  // below 0
      Limits limits = highest_limits();
      limits.*range.field = wrong;
      const auto checked = check(limits);
      ASSERT_FALSE(checked) << range.name;
      EXPECT_THAT(checked.error().message, HasSubstr(std::string(range.name)));
      EXPECT_THAT(checked.error().message, HasSubstr(std::to_string(range.max)));
    }
  }
}

TEST(Limits, must_let_an_append_hold_one_event_of_the_largest_size) {
  const auto checked = check(Limits{.data_bytes_max = 2 << 20, .append_bytes_max = 1 << 20});
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message, HasSubstr("data_bytes_max: 2097152 is more than"));
}

TEST(Limits, of_a_query_name_the_item_that_passes_them) {
  const Query query{{{.types = {"A"}}, {.tags = {"t", "u"}}}};
  EXPECT_TRUE(check(query, {.query_terms_max = 2}, "query"));
  const auto terms = check(query, {.query_terms_max = 1}, "query");
  ASSERT_FALSE(terms);
  EXPECT_THAT(terms.error().message, HasSubstr("query.items[1].tags"));
  EXPECT_FALSE(check(query, {.query_items_max = 1}, "query"));
}

TEST(Limits, let_no_event_occur_outside_of_the_calendar) {
  Event outside = event("A").json("{}");
  outside.occurred_at = Timestamp::max();
  const auto checked = check({.events = {event("A").json("{}"), outside}}, Limits{});
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message, HasSubstr("events[1].occurred_at"));
}

}  // namespace
}  // namespace weir
