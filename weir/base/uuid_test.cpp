#include <weir/base/uuid.hpp>

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace weir {
namespace {

TEST(Uuid, is_read_with_and_without_hyphens_in_either_case) {
  const std::string text = "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11";
  const auto uuid = parse_uuid(text);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(to_string(*uuid), text);
  EXPECT_EQ(parse_uuid("0190E5C27D1F7C4E9A532F1F0C9B8A11"), uuid);
}

TEST(Uuid, is_nothing_when_the_text_is_none) {
  for (const auto* text :
       {"", "0190e5c2", "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a1",
        "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a1g", "0190e5c27-d1f-7c4e-9a53-2f1f0c9b8a11",
        "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a111", "{190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a1}",
        "0190e5c27d1f7c4e9a532f1f0c9b8a1-"}) {
    EXPECT_FALSE(parse_uuid(text)) << text;
  }
}

TEST(Uuid, of_version_7_carries_the_time_and_grows) {
  const Timestamp now{std::chrono::milliseconds(0x0190e5c27d1f)};
  Uuid last;
  for (int i = 0; i < 100'000; ++i) {
    const auto uuid = make_uuid_v7(now);
    EXPECT_EQ(uuid.bytes[6] >> 4, 7);
    EXPECT_EQ(uuid.bytes[8] >> 6, 2);
    ASSERT_LT(last, uuid);
    last = uuid;
  }
  EXPECT_EQ(to_string(make_uuid_v7(now + std::chrono::hours(1))).substr(0, 8), "0190e5f9");
}

TEST(Uuid, of_version_7_is_another_in_every_thread) {
  std::vector<std::vector<Uuid>> made(8);
  std::vector<std::jthread> threads;
  for (auto& list : made) {
    threads.emplace_back([&list] {
      for (int i = 0; i < 5'000; ++i) list.push_back(make_uuid_v7(Timestamp()));
    });
  }
  threads.clear();
  std::set<Uuid> all;
  for (const auto& list : made) all.insert(list.begin(), list.end());
  EXPECT_EQ(all.size(), 40'000u);
}

TEST(Uuid, of_content_depends_on_the_content_alone) {
  EXPECT_EQ(make_uuid_of("a"), make_uuid_of("a"));
  EXPECT_NE(make_uuid_of("a"), make_uuid_of("b"));
  EXPECT_EQ(make_uuid_of("a").bytes[6] >> 4, 8);
}

}  // namespace
}  // namespace weir
