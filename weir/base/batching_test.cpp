#include <weir/base/batching.hpp>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weir {
namespace {

TEST(Batching, runs_at_once_outside_of_a_scope) {
  int runs = 0;
  Batching::at_end([&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

TEST(Batching, puts_tasks_off_to_the_end_of_the_outermost_scope_in_order) {
  std::vector<int> order;
  {
    const Batching outer;
    {
      const Batching inner;
      Batching::at_end([&] { order.push_back(1); });
    }
    Batching::at_end([&] { order.push_back(2); });
    EXPECT_TRUE(order.empty());
  }
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_FALSE(Batching::active());
}

TEST(Batching, lets_a_task_open_a_scope) {
  std::vector<int> order;
  {
    const Batching scope;
    Batching::at_end([&] {
      const Batching again;
      Batching::at_end([&] { order.push_back(1); });
    });
    Batching::at_end([&] { order.push_back(2); });
  }
  EXPECT_EQ(order, (std::vector{1, 2}));
}

// A write that was put off put itself off again, and whoever waited for its answer waited for ever.
TEST(Batching, does_what_was_put_off_before_somebody_waits) {
  const Batching scope;
  bool ran = false;
  Batching::at_end([&] { Batching::at_end([&] { ran = true; }); });
  EXPECT_FALSE(ran);
  Batching::flush();
  EXPECT_TRUE(ran);
  EXPECT_TRUE(Batching::active());
}

TEST(Batching, is_each_threads_own) {
  const Batching scope;
  bool ran = false;
  std::thread([&] { Batching::at_end([&] { ran = true; }); }).join();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace weir
