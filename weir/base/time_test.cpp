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

TEST(Timestamp, is_refused_when_only_its_offset_keeps_it_within_the_calendar) {
  EXPECT_EQ(again("0001-01-01T00:00:00-01:00"), "0001-01-01T01:00:00Z");
  EXPECT_FALSE(parse_timestamp("0001-01-01T00:00:00+01:00"));
  EXPECT_FALSE(parse_timestamp("9999-12-31T23:59:59-01:00"));
  EXPECT_FALSE(parse_timestamp("9999-12-31T23:59:60Z"));
}

// std::chrono's years end at 32767, where a wrong date used to be written.
TEST(Timestamp, of_any_year_is_written_and_past_the_calendar_in_the_expanded_form) {
  const auto text = [](std::int64_t days, std::int64_t micros) {
    return format_timestamp(Timestamp(std::chrono::days(days) + std::chrono::microseconds(micros)));
  };
  EXPECT_EQ(text(2'932'897, 0), "+010000-01-01T00:00:00Z");
  EXPECT_EQ(text(-719'528, 0), "0000-01-01T00:00:00Z");
  EXPECT_EQ(text(-719'529, 0), "-000001-12-31T00:00:00Z");
  EXPECT_EQ(text(-719'528 - 146'097 * 100, 1), "-040000-01-01T00:00:00.000001Z");
  EXPECT_EQ(text(11'016 + 146'097 * 700, 0), "+282000-02-29T00:00:00Z");
  EXPECT_EQ(format_timestamp(Timestamp::max()), "+294247-01-10T04:00:54.775807Z");
  EXPECT_EQ(format_timestamp(Timestamp::min()), "-290308-12-21T19:59:05.224192Z");
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
