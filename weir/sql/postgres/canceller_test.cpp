#include <weir/sql/postgres/canceller.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <semaphore>
#include <vector>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;

Instant in(std::chrono::milliseconds time) {
  return system_clock().instant() + time;
}

TEST(Canceller, says_whether_the_server_took_the_request) {
  Canceller canceller({});
  EXPECT_TRUE(canceller.request([] { return true; })->wait_until(in(10s)));
  EXPECT_FALSE(canceller.request([] { return false; })->wait_until(in(10s)));
}

TEST(Canceller, holds_nobody_up_while_a_server_does_not_answer) {
  auto answer = std::make_shared<std::binary_semaphore>(0);
  Canceller canceller({});
  const auto sent = canceller.request([answer] {
    answer->acquire();
    return true;
  });
  EXPECT_FALSE(sent->wait_until(in(20ms)));
  answer->release();
  EXPECT_TRUE(sent->wait_until(in(10s)));
}

TEST(Canceller, sends_only_so_many_requests_at_once) {
  struct Shared {
    std::counting_semaphore<100> answer{0};
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
  };
  auto shared = std::make_shared<Shared>();
  Canceller canceller({.at_once_max = 3, .waiting_max = 20});
  std::vector<std::shared_ptr<Canceller::Sent>> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(canceller.request([shared] {
      const int running = ++shared->running;
      int most = shared->most;
      while (running > most && !shared->most.compare_exchange_weak(most, running)) {
      }
      shared->answer.acquire();
      --shared->running;
      return true;
    }));
  }
  EXPECT_FALSE(all.back()->wait_until(in(50ms)));
  shared->answer.release(12);
  for (const auto& sent : all) EXPECT_TRUE(sent->wait_until(in(10s)));
  EXPECT_EQ(shared->most, 3);
}

TEST(Canceller, does_not_send_what_finds_the_queue_full) {
  auto answer = std::make_shared<std::counting_semaphore<10>>(0);
  auto started = std::make_shared<std::latch>(1);
  Canceller canceller({.at_once_max = 1, .waiting_max = 1});
  const auto first = canceller.request([answer, started] {
    started->count_down();
    answer->acquire();
    return true;
  });
  started->wait();
  const auto second = canceller.request([] { return true; });
  const auto third = canceller.request([] { return true; });
  EXPECT_FALSE(third->wait_until(in(10s)));  // at once
  answer->release();
  EXPECT_TRUE(second->wait_until(in(10s)));
  EXPECT_TRUE(first->wait_until(in(10s)));
}

}  // namespace
}  // namespace weir::postgres
