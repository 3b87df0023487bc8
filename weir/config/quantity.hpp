#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir::config {

/// Quantities as people write them. Errors say what is wrong without naming a field.

/// "250ms", "30s", "5min", "1h", "7d", "1.5s"; a number without a unit is in seconds. Whole
/// milliseconds, not negative, at most 10,000 days.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// In the largest unit in which it is a whole number: "90s", "2min".
std::string format_duration(std::chrono::milliseconds duration);

/// "512", "64KiB", "64 MiB", "1GiB": a number without a unit is in bytes. Other units are refused,
/// since MB is a million bytes to some.
Result<std::uint64_t> parse_bytes(std::string_view text);
/// In the largest unit in which it is a whole number: "96KiB".
std::string format_bytes(std::uint64_t bytes);

/// A whole number, not negative, in decimal digits.
Result<std::uint64_t> parse_whole(std::string_view text);
/// A finite number with a point: "0.25".
Result<double> parse_decimal(std::string_view text);
/// "true", "yes", "on", "1", or "false", "no", "off", "0", as YAML's users write them.
Result<bool> parse_switch(std::string_view text);

}  // namespace weir::config
