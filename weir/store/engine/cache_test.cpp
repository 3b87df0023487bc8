#include <weir/store/engine/cache.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>

namespace weir::engine {
namespace {

using Texts = Cache<std::uint64_t, std::string>;

std::shared_ptr<const std::string> text(std::uint64_t of) {
  return std::make_shared<const std::string>(std::to_string(of));
}

TEST(Cache, gives_back_what_was_put_in) {
  Texts cache(1 << 20);
  EXPECT_EQ(cache.find(7), nullptr);
  cache.put(7, text(7), 100);
  ASSERT_NE(cache.find(7), nullptr);
  EXPECT_EQ(*cache.find(7), "7");
  cache.put(7, text(8), 100);
  EXPECT_EQ(*cache.find(7), "8");
}

TEST(Cache, never_keeps_more_bytes_than_it_may) {
  Texts cache(100'000);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    cache.put(i, text(i), i % 500);
    ASSERT_LE(cache.bytes(), 100'000u);
    // The one just put in, unless it made room for itself at its own cost.
    if (const auto found = cache.find(i)) {
      EXPECT_EQ(*found, std::to_string(i));
    }
  }
  EXPECT_GT(cache.bytes(), 50'000u);
}

TEST(Cache, keeps_what_is_asked_for_while_others_pass_through) {
  Texts cache(100'000);
  for (std::uint64_t i = 0; i < 20; ++i) cache.put(i, text(i), 50);
  std::uint64_t lost = 0;
  for (std::uint64_t i = 1000; i < 20'000; ++i) {
    cache.put(i, text(i), 50);
    for (std::uint64_t hot = 0; hot < 20; ++hot) lost += cache.find(hot) == nullptr;
    if (lost > 0) break;
  }
  EXPECT_EQ(lost, 0u);
}

// Once the newest entry was the next to go, so that a full cache never took in anything new.
TEST(Cache, takes_in_what_is_used_now_for_what_was_put_in_long_ago) {
  Texts cache(100'000);
  for (std::uint64_t i = 0; i < 10'000; ++i) cache.put(i, text(i), 100);
  const auto use_all = [&] {
    std::uint64_t missed = 0;
    for (std::uint64_t i = 50'000; i < 50'200; ++i) {
      if (cache.find(i)) continue;
      ++missed;
      cache.put(i, text(i), 100);
    }
    return missed;
  };
  EXPECT_EQ(use_all(), 200u);
  EXPECT_EQ(use_all(), 0u);
}

TEST(Cache, does_not_keep_what_is_larger_than_its_share) {
  Texts cache(16'000);
  cache.put(1, text(1), 2'000);
  EXPECT_EQ(cache.find(1), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(Cache, of_no_bytes_keeps_nothing) {
  Texts cache(0);
  cache.put(1, text(1), 0);
  EXPECT_EQ(cache.find(1), nullptr);
}

TEST(Cache, serves_threads_at_once) {
  Texts cache(50'000);
  std::vector<std::jthread> threads;
  std::atomic<std::uint64_t> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, &wrong, t] {
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        const auto key = (i * 7 + static_cast<std::uint64_t>(t)) % 1'000;
        const auto found = cache.find(key);
        if (found && *found != std::to_string(key)) ++wrong;
        if (!found) cache.put(key, text(key), 60);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0u);
  EXPECT_LE(cache.bytes(), 50'000u);
}

}  // namespace
}  // namespace weir::engine
