#include <weir/resilience/bulkhead/bulkhead.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <list>
#include <stop_token>
#include <thread>

#include <weir/resilience/pipeline/builder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;
using Entry = Bulkhead::Entry;

struct Waiting : Bulkhead::Waiter {
  bool has_permit = false;
  void granted() override { has_permit = true; }
};

TEST(Bulkhead, lets_in_as_many_as_it_has_permits) {
  auto bulkhead = Bulkhead::create({.permits = 2}).value();
  EXPECT_TRUE(bulkhead->try_enter());
  EXPECT_TRUE(bulkhead->try_enter());
  EXPECT_FALSE(bulkhead->try_enter());
  Waiting refused;
  EXPECT_EQ(bulkhead->enter(refused), Entry::refused);
  bulkhead->leave();
  EXPECT_EQ(bulkhead->in_use(), 1);
  EXPECT_TRUE(bulkhead->try_enter());
}

TEST(Bulkhead, serves_those_who_wait_in_their_order_and_nobody_before_them) {
  auto bulkhead = Bulkhead::create({.permits = 1, .queue_max = 2}).value();
  ASSERT_TRUE(bulkhead->try_enter());
  Waiting first, second, third;
  EXPECT_EQ(bulkhead->enter(first), Entry::queued);
  EXPECT_EQ(bulkhead->enter(second), Entry::queued);
  EXPECT_EQ(bulkhead->enter(third), Entry::refused);
  bulkhead->leave();
  EXPECT_TRUE(first.has_permit);
  EXPECT_FALSE(second.has_permit);
  EXPECT_FALSE(bulkhead->try_enter());
  EXPECT_FALSE(bulkhead->abandon(first));
  bulkhead->leave();
  EXPECT_TRUE(second.has_permit);
}

TEST(Bulkhead, forgets_one_who_no_longer_waits) {
  auto bulkhead = Bulkhead::create({.permits = 1, .queue_max = 3}).value();
  ASSERT_TRUE(bulkhead->try_enter());
  Waiting first, second, third;
  bulkhead->enter(first);
  bulkhead->enter(second);
  bulkhead->enter(third);
  EXPECT_TRUE(bulkhead->abandon(second));
  EXPECT_TRUE(bulkhead->abandon(first));
  EXPECT_EQ(bulkhead->waiting(), 1);
  bulkhead->leave();
  EXPECT_TRUE(third.has_permit);
  EXPECT_FALSE(first.has_permit);
  EXPECT_FALSE(second.has_permit);
}

TEST(Bulkhead, keeps_permits_in_use_when_it_gets_fewer_or_more) {
  auto bulkhead = Bulkhead::create({.permits = 3, .queue_max = 1}).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bulkhead->try_enter());
  ASSERT_TRUE(bulkhead->reconfigure({.permits = 1, .queue_max = 1}));
  EXPECT_EQ(bulkhead->in_use(), 3);
  bulkhead->leave();
  bulkhead->leave();
  EXPECT_FALSE(bulkhead->try_enter());  // one of one is in use
  Waiting waiting;
  EXPECT_EQ(bulkhead->enter(waiting), Entry::queued);
  ASSERT_TRUE(bulkhead->reconfigure({.permits = 2, .queue_max = 1}));
  EXPECT_TRUE(waiting.has_permit);
}

TEST(Bulkhead, never_exceeds_its_permits_nor_forgets_a_waiter_under_several_threads) {
  const auto p =
      pipeline("b").bulkhead({.permits = 2, .queue_max = 100, .wait_max = 1h}).build().value();
  std::atomic<int> inside{0}, most{0}, done{0};
  const auto work = [&] {
    for (int i = 0; i < 2'000; ++i) {
      const auto result = p.run([&] {
        const int now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
      });
      if (result) ++done;
    }
  };
  std::list<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 8'000);
  EXPECT_LE(most, 2);
  EXPECT_EQ(p.bulkhead()->in_use(), 0);
  EXPECT_EQ(p.bulkhead()->waiting(), 0);
}

TEST(Bulkhead, lets_a_caller_that_stops_leave_the_queue) {
  const auto p =
      pipeline("b").bulkhead({.permits = 1, .queue_max = 1, .wait_max = 1h}).build().value();
  ASSERT_TRUE(p.bulkhead()->try_enter());
  std::stop_source stop;
  std::thread stopper([&] {
    while (p.bulkhead()->waiting() == 0) std::this_thread::yield();
    stop.request_stop();
  });
  const auto result = p.run({.stop = stop.get_token()}, [] { return 1; });
  stopper.join();
  EXPECT_EQ(result.error().code, Code::cancelled);
  EXPECT_EQ(p.bulkhead()->waiting(), 0);
  EXPECT_EQ(p.bulkhead()->in_use(), 1);
}

TEST(Bulkhead, names_the_option_that_is_out_of_range) {
  EXPECT_EQ(check(BulkheadOptions{.permits = 0}).error().message,
            "bulkhead.permits: 0, must be from 1 to 1000000");
  EXPECT_EQ(check(BulkheadOptions{.queue_max = -1}).error().message,
            "bulkhead.queue_max: -1, must be from 0 to 1000000");
}

}  // namespace
}  // namespace weir::resilience
