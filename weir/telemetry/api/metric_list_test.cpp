#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <weir/telemetry/api/metric_list.hpp>

namespace weir::telemetry {
namespace {

TEST(MetricList, has_no_name_twice_and_help_for_each) {
  std::set<std::string_view> names;
  for (const auto* spec : metric::all()) {
    EXPECT_TRUE(names.insert(spec->name).second) << spec->name;
    EXPECT_FALSE(spec->help.empty()) << spec->name;
    EXPECT_FALSE(spec->help.ends_with('.')) << spec->name;
    EXPECT_EQ(spec->kind == MetricKind::histogram, !spec->bounds.empty()) << spec->name;
    EXPECT_TRUE(std::is_sorted(spec->bounds.begin(), spec->bounds.end())) << spec->name;
  }
}

TEST(MetricList, measures_time_in_seconds_and_memory_in_bytes) {
  for (const auto* spec : metric::all()) {
    EXPECT_TRUE(spec->unit == "s" || spec->unit == "By" || spec->unit == "1" ||
                spec->unit.empty() || spec->unit.front() == '{')
        << spec->name;
    EXPECT_TRUE(!spec->name.ends_with(".duration") || spec->unit == "s") << spec->name;
  }
}

}  // namespace
}  // namespace weir::telemetry
