#include <weir/base/time.hpp>

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include <weir/base/excerpt.hpp>

namespace weir {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
  Instant instant() const override { return std::chrono::steady_clock::now(); }
};

constexpr std::int64_t era_days = 146'097;  // in 400 years

/// Takes fixed-width numbers and separators off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view rest) : rest_(rest) {}

  bool number(int digits, int min, int max, int& out) {
    if (rest_.size() < static_cast<std::size_t>(digits)) return false;
    const auto part = rest_.substr(0, static_cast<std::size_t>(digits));
    for (const char c : part) {
      if (c < '0' || c > '9') return false;
    }
    std::from_chars(part.data(), part.data() + part.size(), out);
    rest_.remove_prefix(part.size());
    return out >= min && out <= max;
  }

  bool one_of(std::string_view accepted, char& out) {
    if (rest_.empty() || accepted.find(rest_.front()) == std::string_view::npos) return false;
    out = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }

  /// ".276000" as microseconds; nothing there is 0.
  bool fraction(int& microseconds) {
    microseconds = 0;
    char dot = 0;
    if (!one_of(".,", dot)) return true;
    int digits = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      if (digits < 6) microseconds = microseconds * 10 + (rest_.front() - '0');
      ++digits;
      rest_.remove_prefix(1);
    }
    for (int i = digits; i < 6; ++i) microseconds *= 10;
    return digits > 0;
  }

  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

Error malformed(std::string_view text) {
  return invalid_field("time", fmt::format("'{}' is not a time such as 2011-10-11T13:45:40.276Z",
                                           excerpt(text, 64)));
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

bool is_calendar_time(Timestamp time) {
  using std::chrono::year;
  constexpr Timestamp first = std::chrono::sys_days(year(1) / 1 / 1);
  constexpr Timestamp past = std::chrono::sys_days(year(10'000) / 1 / 1);
  return time >= first && time < past;
}

std::string format_timestamp(Timestamp time) {
  // floor() would go below the least time that there is.
  constexpr std::int64_t day_micros = 86'400'000'000;
  const auto count = time.time_since_epoch().count();
  const auto in_day = (count % day_micros + day_micros) % day_micros;
  const auto day = count / day_micros - (count % day_micros < 0 ? 1 : 0);
  // The calendar repeats every 400 years, and year_month_day knows some 65,000 of them.
  const auto era = day / era_days;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day % era_days))};
  const auto year = static_cast<int>(date.year()) + 400 * static_cast<int>(era);
  const std::chrono::hh_mm_ss clock{std::chrono::microseconds(in_day)};
  const auto micros = clock.subseconds().count();
  auto text = year < 0 || year > 9999 ? fmt::format("{:+07}", year) : fmt::format("{:04}", year);
  text += fmt::format("-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<unsigned>(date.month()),
                      static_cast<unsigned>(date.day()), clock.hours().count(),
                      clock.minutes().count(), clock.seconds().count());
  if (micros % 1000 != 0) {
    text += fmt::format(".{:06}", micros);
  } else if (micros != 0) {
    text += fmt::format(".{:03}", micros / 1000);
  }
  return text + "Z";
}

Result<Timestamp> parse_timestamp(std::string_view text) {
  Scanner scan(text);
  char c = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micros = 0;
  const bool read =
      scan.number(4, 1, 9999, year) && scan.one_of("-", c) && scan.number(2, 1, 12, month) &&
      scan.one_of("-", c) && scan.number(2, 1, 31, day) && scan.one_of("Tt ", c) &&
      scan.number(2, 0, 23, hour) && scan.one_of(":", c) && scan.number(2, 0, 59, minute) &&
      scan.one_of(":", c) && scan.number(2, 0, 60, second) && scan.fraction(micros);
  if (!read) return malformed(text);

  std::chrono::minutes offset{0};
  if (!scan.one_of("Zz", c)) {
    int hours = 0, minutes = 0;
    char sign = 0;
    if (!scan.one_of("+-", sign) || !scan.number(2, 0, 23, hours) || !scan.one_of(":", c) ||
        !scan.number(2, 0, 59, minutes)) {
      return malformed(text);
    }
    offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
    if (sign == '-') offset = -offset;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!scan.empty() || !date.ok()) return malformed(text);
  const auto time = Timestamp(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
                    std::chrono::minutes(minute) + std::chrono::seconds(second) +
                    std::chrono::microseconds(micros) - offset;
  if (!is_calendar_time(time)) return malformed(text);
  return time;
}

}  // namespace weir
