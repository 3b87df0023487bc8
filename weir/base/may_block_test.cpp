#include <weir/base/may_block.hpp>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weir {
namespace {

TEST(MayBlock, takes_something_only_where_another_stands_in_and_nobody_else_waits) {
  {
    const MayBlock::Allowed allowed(true);
    EXPECT_FALSE(MayBlock::here());
  }
  const MayBlock scope;
  EXPECT_FALSE(MayBlock::here());
  {
    const MayBlock::Allowed allowed(false);
    EXPECT_FALSE(MayBlock::here());
  }
  const MayBlock::Allowed allowed(true);
  EXPECT_TRUE(MayBlock::here());
  bool elsewhere = true;
  std::thread([&] { elsewhere = MayBlock::here(); }).join();
  EXPECT_FALSE(elsewhere);
}

TEST(MayBlock, does_what_was_put_off_in_order_and_takes_no_more_meanwhile) {
  MayBlock scope;
  std::vector<int> order;
  bool more = true;
  {
    const MayBlock::Allowed allowed(true);
    EXPECT_FALSE(MayBlock::pending());
    MayBlock::put_off([&] {
      order.push_back(1);
      more = MayBlock::here();
    });
    EXPECT_TRUE(MayBlock::pending());
    MayBlock::put_off([&] { order.push_back(2); });
  }
  EXPECT_TRUE(order.empty());
  EXPECT_FALSE(scope.empty());
  scope.run();
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_FALSE(more);
  EXPECT_TRUE(scope.empty());
}

}  // namespace
}  // namespace weir
