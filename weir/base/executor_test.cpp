#include <weir/base/executor.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include <weir/base/batching.hpp>

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

/// Has one thread and a few tasks that wait behind a first.
struct Together : ::testing::Test {
  std::vector<std::string> told;

  void run(std::size_t together_max, const std::vector<std::function<void()>>& tasks) {
    std::promise<void> started, go;
    Executor executor({.threads = 1, .together_max = together_max});
    ASSERT_TRUE(executor.post([&] {
      started.set_value();
      go.get_future().wait();
      tell("first");
    }));
    started.get_future().wait();
    for (const auto& task : tasks) ASSERT_TRUE(executor.post(task));
    go.set_value();
  }
  void tell(const char* what) {
    told.emplace_back(what);
    Batching::at_end([this, what] { told.push_back("answer to " + std::string(what)); });
  }
};

TEST_F(Together, one_task_puts_nothing_off_and_those_behind_it_go_by_a_few) {
  run(2, {[&] { tell("a"); }, [&] { tell("b"); }, [&] { tell("c"); }});
  EXPECT_EQ(told, (std::vector<std::string>{"first", "answer to first", "a", "b", "answer to a",
                                            "answer to b", "c", "answer to c"}));
}

TEST_F(Together, a_task_that_may_block_lets_the_answers_before_it_go) {
  run(4, {[&] { tell("a"); },
          [&] {
            Batching::flush();
            tell("b");
          },
          [&] { tell("c"); }});
  EXPECT_EQ(told, (std::vector<std::string>{"first", "answer to first", "a", "answer to a", "b",
                                            "c", "answer to b", "answer to c"}));
}

TEST_F(Together, by_default_nothing_is_put_off) {
  run(Executor::Options().together_max, {[&] { tell("a"); }, [&] { tell("b"); }});
  EXPECT_EQ(told, (std::vector<std::string>{"first", "answer to first", "a", "answer to a", "b",
                                            "answer to b"}));
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
