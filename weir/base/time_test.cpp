#include <weir/base/time.hpp>

#include <gtest/gtest.h>

#include <random>

namespace weir {
namespace {

std::string again(std::string_view text) {
  const auto time = parse_timestamp(text);
  return time ? format_timestamp(*time) : "error: " + time.error().message;
}

TEST(Timestamp, is_read_with_any_offset_and_written_in_utc) {
  EXPECT_EQ(again("2011-10-11T13:45:40.276+02:00"), "2011-10-11T11:45:40.276Z");
  EXPECT_EQ(again("2011-10-11 11:45:40Z"), "2011-10-11T11:45:40Z");
  EXPECT_EQ(again("2011-12-31T23:30:00-01:00"), "2012-01-01T00:30:00Z");
  EXPECT_EQ(again("2024-02-29T00:00:00Z"), "2024-02-29T00:00:00Z");
  EXPECT_EQ(again("1969-12-31T23:59:59.999999Z"), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(again("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z");
  EXPECT_EQ(again("9999-12-31T23:59:59.999999Z"), "9999-12-31T23:59:59.999999Z");
}

TEST(Timestamp, keeps_six_digits_of_a_second_and_writes_none_three_or_six) {
  EXPECT_EQ(again("2020-01-01T00:00:00.1Z"), "2020-01-01T00:00:00.100Z");
  EXPECT_EQ(again("2020-01-01T00:00:00.1234567899Z"), "2020-01-01T00:00:00.123456Z");
  EXPECT_EQ(again("2020-01-01T00:00:00.000Z"), "2020-01-01T00:00:00Z");
}

TEST(Timestamp, is_refused_when_there_is_no_such_moment) {
  for (const auto* text :
       {"", "noon", "2020-01-01", "2020-13-01T00:00:00Z", "2021-02-29T00:00:00Z",
        "2020-01-32T00:00:00Z", "2020-01-01T24:00:00Z", "2020-01-01T00:60:00Z",
        "2020-01-01T00:00:61Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00.Z",
        "2020-01-01T00:00:00Zx", "2020-01-01T00:00:00+25:00", "20-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "2020-01-01T00:00:00+2:00"}) {
    const auto time = parse_timestamp(text);
    ASSERT_FALSE(time) << text << " was taken for " << format_timestamp(*time);
    EXPECT_EQ(time.error().code, Code::invalid_argument);
  }
}

TEST(Timestamp, comes_back_as_it_was) {
  std::mt19937_64 random(3);
  const auto least = parse_timestamp("0001-01-01T00:00:00Z")->time_since_epoch().count();
  const auto most = parse_timestamp("9999-12-31T23:59:59Z")->time_since_epoch().count();
  std::uniform_int_distribution<std::int64_t> micros(least, most);
  for (int i = 0; i < 10'000; ++i) {
    const Timestamp time{std::chrono::microseconds(micros(random))};
    const auto text = format_timestamp(time);
    const auto read = parse_timestamp(text);
    ASSERT_TRUE(read) << text;
    ASSERT_EQ(*read, time) << text;
  }
}

}  // namespace
}  // namespace weir
