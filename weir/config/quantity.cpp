#include <weir/config/quantity.hpp>

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace weir::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t of;
};

constexpr std::array<Unit, 5> durations = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 4> sizes = {
    {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}};
constexpr double milliseconds_max = 10'000.0 * 86'400'000;
constexpr double bytes_max = 9e18;

struct Split {
  double number = 0;
  std::string_view unit;
};

/// "1.5 s" as 1.5 and "s".
Result<Split> split(std::string_view text, std::string_view expected) {
  Split out;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out.number, std::chars_format::fixed);
  if (text.empty() || read.ec != std::errc() || !std::isfinite(out.number) ||
      std::signbit(out.number)) {
    return invalid(fmt::format("'{}' is not {}", text, expected));
  }
  out.unit = {read.ptr, static_cast<std::size_t>(end - read.ptr)};
  while (out.unit.starts_with(' ')) out.unit.remove_prefix(1);
  return out;
}

template <class Units>
std::string in_largest_unit(std::uint64_t value, const Units& units) {
  for (const auto& unit : units) {
    if (value % unit.of == 0 && value > 0) return fmt::format("{}{}", value / unit.of, unit.name);
  }
  return fmt::format("0{}", units.back().name);
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::string_view expected = "a duration, such as 250ms, 30s, 5min, 1h or 7d";
  WEIR_TRY_ASSIGN(parts, split(text, expected));
  if (parts.unit.empty()) parts.unit = "s";
  for (const auto& unit : durations) {
    if (parts.unit != unit.name) continue;
    const double milliseconds = parts.number * static_cast<double>(unit.of);
    if (milliseconds > milliseconds_max) return invalid(fmt::format("'{}' is too long", text));
    if (milliseconds != std::round(milliseconds)) {
      return invalid(fmt::format("'{}' is not a whole number of milliseconds", text));
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
  }
  return invalid(fmt::format("'{}' is not {}", text, expected));
}

std::string format_duration(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  return in_largest_unit(static_cast<std::uint64_t>(duration.count()), durations);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view expected = "a size, such as 512, 64KiB, 20MiB or 1GiB";
  WEIR_TRY_ASSIGN(parts, split(text, expected));
  if (parts.unit.empty()) parts.unit = "B";
  for (const auto& unit : sizes) {
    if (parts.unit != unit.name) continue;
    const double bytes = parts.number * static_cast<double>(unit.of);
    if (bytes > bytes_max) return invalid(fmt::format("'{}' is too large", text));
    if (bytes != std::round(bytes)) {
      return invalid(fmt::format("'{}' is not a whole number of bytes", text));
    }
    return static_cast<std::uint64_t>(bytes);
  }
  return invalid(fmt::format("'{}' is not {}", text, expected));
}

std::string format_bytes(std::uint64_t bytes) {
  // Few read 1023KiB at a glance: what is no multiple of a kibibyte is a number.
  if (bytes % 1024 != 0 || bytes == 0) return fmt::format("{}", bytes);
  return in_largest_unit(bytes, sizes);
}

Result<std::uint64_t> parse_whole(std::string_view text) {
  std::uint64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) {
    return invalid(fmt::format("'{}' is not a whole number", text));
  }
  return number;
}

Result<double> parse_decimal(std::string_view text) {
  double number = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end || !std::isfinite(number)) {
    return invalid(fmt::format("'{}' is not a number", text));
  }
  return number;
}

Result<bool> parse_switch(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (text == no) return false;
  }
  return invalid(fmt::format("'{}' is neither true nor false", text));
}

}  // namespace weir::config
