#include <weir/config/quantity.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::config {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Quantity, reads_durations_with_their_units_and_seconds_without) {
  EXPECT_EQ(parse_duration("250ms").value(), 250ms);
  EXPECT_EQ(parse_duration("30s").value(), 30s);
  EXPECT_EQ(parse_duration("30 s").value(), 30s);
  EXPECT_EQ(parse_duration("5min").value(), 5min);
  EXPECT_EQ(parse_duration("1h").value(), 1h);
  EXPECT_EQ(parse_duration("7d").value(), 168h);
  EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
  EXPECT_EQ(parse_duration("0.25").value(), 250ms);
  EXPECT_EQ(parse_duration("10").value(), 10s);
  EXPECT_EQ(parse_duration("0").value(), 0s);
}

TEST(Quantity, refuses_what_is_no_duration) {
  for (const auto* text : {"", "s", "-1s", "1e3", "ten", "1 minute", "5m", "0.1ms", "nan", "inf",
                           "99999999d", "1s 2s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  EXPECT_THAT(parse_duration("5m").error().message, HasSubstr("such as 250ms, 30s, 5min"));
}

TEST(Quantity, reads_sizes_in_binary_units_only) {
  EXPECT_EQ(parse_bytes("512").value(), 512u);
  EXPECT_EQ(parse_bytes("64KiB").value(), 65'536u);
  EXPECT_EQ(parse_bytes("1.5 MiB").value(), 1'572'864u);
  EXPECT_EQ(parse_bytes("16GiB").value(), std::uint64_t{16} << 30);
  for (const auto* text : {"", "1MB", "1M", "1k", "-1", "1.5", "1e9GiB"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
}

TEST(Quantity, what_is_written_is_read_as_the_same) {
  for (const auto duration : {0ms, 1ms, 250ms, 1000ms, 90'000ms, 3'600'000ms, 86'400'001ms}) {
    EXPECT_EQ(parse_duration(format_duration(duration)).value(), duration);
  }
  for (const std::uint64_t bytes : {0u, 1u, 1023u, 1024u, 1536u, 1u << 20, 3u << 30}) {
    EXPECT_EQ(parse_bytes(format_bytes(bytes)).value(), bytes);
  }
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(120s), "2min");
  EXPECT_EQ(format_bytes(96 << 10), "96KiB");
}

TEST(Quantity, reads_numbers_and_switches_whole) {
  EXPECT_EQ(parse_whole("64").value(), 64u);
  for (const auto* text : {"", "-1", "6 4", "0x10", "1.0", "99999999999999999999"}) {
    EXPECT_FALSE(parse_whole(text)) << text;
  }
  EXPECT_EQ(parse_decimal("0.25").value(), 0.25);
  EXPECT_FALSE(parse_decimal("1/4"));
  EXPECT_TRUE(parse_switch("on").value());
  EXPECT_FALSE(parse_switch("false").value());
  EXPECT_FALSE(parse_switch("maybe"));
}

}  // namespace
}  // namespace weir::config
