#include <weir/base/executor.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace weir {
namespace {

TEST(Executor, of_one_thread_runs_tasks_in_order) {
  std::vector<int> ran;
  {
    Executor executor({.threads = 1});
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(executor.post([&ran, i] { ran.push_back(i); }));
    }
  }
  ASSERT_EQ(ran.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST(Executor, refuses_a_task_when_its_queue_is_full_but_takes_completions) {
  std::promise<void> go;
  std::atomic<int> ran = 0;
  {
    Executor executor({.threads = 1, .queue_max = 2});
    std::promise<void> started;
    ASSERT_TRUE(executor.post([&] {
      started.set_value();
      go.get_future().wait();
    }));
    started.get_future().wait();
    EXPECT_TRUE(executor.post([&] { ++ran; }));
    EXPECT_TRUE(executor.post([&] { ++ran; }));
    EXPECT_FALSE(executor.post([&] { ++ran; }));
    EXPECT_EQ(executor.queue_depth(), 2u);
    executor.post_always([&] { ++ran; });
    go.set_value();
  }
  EXPECT_EQ(ran, 3) << "destruction runs what is queued";
}

TEST(Executor, lets_a_task_post_another_while_it_is_being_destroyed) {
  std::atomic<int> ran = 0;
  {
    Executor executor({.threads = 2});
    for (int i = 0; i < 100; ++i) {
      executor.post_always([&] { executor.post_always([&] { ++ran; }); });
    }
  }
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace weir
