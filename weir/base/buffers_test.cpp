#include <weir/base/buffers.hpp>

#include <gmock/gmock.h>

#include <thread>
#include <vector>

namespace weir {
namespace {

using testing::HasSubstr;

TEST(Buffers, give_out_the_memory_that_was_given_back) {
  Buffers buffers;
  auto first = buffers.take(100'000);
  EXPECT_TRUE(first.empty());
  EXPECT_GE(first.capacity(), 100'000u);
  const auto* memory = first.data();
  first.assign(1'000, 'x');
  buffers.give(std::move(first));
  EXPECT_GE(buffers.counts().kept_bytes, 100'000u);
  const auto second = buffers.take(60'000);
  EXPECT_EQ(second.data(), memory);
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(buffers.counts().reused, 1u);
  EXPECT_EQ(buffers.counts().kept_bytes, 0u);
}

TEST(Buffers, do_not_lend_much_more_than_was_asked_for) {
  Buffers buffers;
  buffers.give(buffers.take(4 << 20));
  EXPECT_LT(buffers.take(5'000).capacity(), 64u << 10);
  EXPECT_EQ(buffers.counts().reused, 0u);
}

TEST(Buffers, keep_within_their_bound_and_none_that_is_too_large) {
  Buffers buffers({.bytes_max = 1 << 20, .buffer_bytes_max = 256 << 10});
  std::vector<std::string> many;
  for (int i = 0; i < 32; ++i) many.push_back(buffers.take(100'000));
  for (auto& one : many) buffers.give(std::move(one));
  EXPECT_GT(buffers.counts().kept_bytes, 500'000u);
  EXPECT_LE(buffers.counts().kept_bytes, 1u << 20);
  const auto kept = buffers.counts().kept_bytes;
  buffers.give(std::string(512 << 10, 'x'));
  EXPECT_EQ(buffers.counts().kept_bytes, kept);
  buffers.configure({.bytes_max = 0});
  EXPECT_EQ(buffers.counts().kept_bytes, 0u);
  buffers.give(buffers.take(100'000));
  EXPECT_EQ(buffers.counts().kept_bytes, 0u);
}

TEST(Buffers, are_cleared_when_asked) {
  for (const bool clear : {false, true}) {
    Buffers buffers({.clear = clear});
    auto secret = buffers.take(8'000);
    secret.append("a payload");
    buffers.give(std::move(secret));
    auto next = buffers.take(8'000);
    ASSERT_EQ(buffers.counts().reused, 1u);
    // What lies behind the end is the buffer's own memory: it has room for as much.
    next.append(1, '\0');
    const std::string_view rest(next.data() + 2, 7);
    EXPECT_EQ(rest == "payload", !clear);
  }
}

TEST(Buffers, grow_by_doubling_and_keep_what_is_in_them) {
  Buffers buffers;
  std::string text = "begin";
  buffers.grow(text, 5'000);
  EXPECT_EQ(text, "begin");
  EXPECT_GE(text.capacity(), 5'000u);
  const auto capacity = text.capacity();
  buffers.grow(text, capacity + 1);
  EXPECT_GE(text.capacity(), 2 * capacity);
  EXPECT_EQ(text, "begin");
  EXPECT_GE(buffers.counts().kept_bytes, capacity);
}

TEST(Buffers, are_lent_to_one_at_a_time) {
  Buffers buffers;
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2'000; ++i) {
        auto buffer = buffers.take(4096u << (i % 4));
        buffer.assign(4'000, static_cast<char>('a' + t));
        for (const char c : buffer) wrong += c != 'a' + t;
        buffers.give(std::move(buffer));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(BufferOptions, name_the_field_that_is_out_of_range) {
  EXPECT_TRUE(check(BufferOptions{}));
  EXPECT_THAT(check({.bytes_max = (std::size_t{1} << 30) + 1}).error().message,
              HasSubstr("bytes_max"));
  EXPECT_THAT(check({.buffer_bytes_max = 100}).error().message, HasSubstr("buffer_bytes_max"));
}

TEST(PooledString, gives_its_memory_back_when_it_goes) {
  const auto before = Buffers::shared().counts();
  { const PooledString pooled(Buffers::shared().take(10'000)); }
  { const PooledString pooled(Buffers::shared().take(10'000)); }
  EXPECT_GT(Buffers::shared().counts().reused, before.reused);
}

}  // namespace
}  // namespace weir
