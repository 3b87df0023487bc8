#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir {

/// A moment of the wall clock (UTC) in whole microseconds, which every engine keeps exactly.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// Microseconds since 1970, which is how databases keep times.
constexpr std::int64_t to_micros(Timestamp time) {
  return time.time_since_epoch().count();
}
constexpr Timestamp from_micros(std::int64_t micros) {
  return Timestamp(std::chrono::microseconds(micros));
}

/// A moment of the clock that never jumps. For deadlines and durations.
using Instant = std::chrono::steady_clock::time_point;

/// Where the time comes from: an argument, so that tests can say what it is.
/// Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual Instant instant() const = 0;
};

/// The machine's clocks.
const Clock& system_clock();

/// RFC 3339 in UTC: "2011-10-11T11:45:40.276Z". As many digits of a second as are needed: 0, 3
/// or 6. A year that RFC 3339 has no room for is written in ISO 8601's expanded form, with its sign
/// and six digits: "+010000-01-01T00:00:00Z".
std::string format_timestamp(Timestamp time);

/// Whether a time lies in the years 0001 to 9999 (UTC), as all times that the log takes do.
bool is_calendar_time(Timestamp time);

/// Reads RFC 3339, with "T" or a space between date and time, and any offset ("Z", "+02:00").
/// More than six digits of a second are cut. Years 0001 to 9999, in UTC too.
/// Errors: invalid_argument with what is wrong, without a field's name.
Result<Timestamp> parse_timestamp(std::string_view text);

}  // namespace weir
