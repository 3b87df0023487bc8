#include <gtest/gtest.h>

#include <weir/base/deadline.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;

TEST(TimeLeft, is_told_of_every_instant_that_there_is) {
  const Instant now{40s};
  EXPECT_EQ(time_left(now + 3ms, now), 3ms);
  EXPECT_EQ(time_left(now, now), 0ms);
  EXPECT_EQ(time_left(now - 1s, now), 0ms);
  EXPECT_EQ(time_left(Instant::min(), now), 0ms);
  EXPECT_EQ(time_left(Instant::max(), now), 24h * 365);
}

}  // namespace
}  // namespace weir
