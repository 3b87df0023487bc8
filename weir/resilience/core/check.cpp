#include <weir/resilience/core/check.hpp>

#include <fmt/format.h>

namespace weir::resilience {

Check& Check::that(bool holds, std::string_view option, std::string_view problem) {
  if (!holds && !error_) error_ = invalid_field(fmt::format("{}.{}", strategy_, option), problem);
  return *this;
}

// Written so that what is not a number is out of every range.
Check& Check::in(std::string_view option, double value, double least, double most) {
  const bool holds = value >= least && value <= most;
  return holds ? *this
               : that(false, option, fmt::format("{}, must be from {} to {}", value, least, most));
}

Check& Check::above(std::string_view option, double value, double least, double most) {
  const bool holds = value > least && value <= most;
  return holds ? *this
               : that(false, option,
                      fmt::format("{}, must be more than {} and at most {}", value, least, most));
}

Check& Check::in(std::string_view option, Duration value, Duration least, Duration most) {
  const bool holds = value >= least && value <= most;
  return holds ? *this
               : that(false, option,
                      fmt::format("{}, must be from {} to {}", in_words(value), in_words(least),
                                  in_words(most)));
}

Result<void> Check::result() const {
  if (error_) return *error_;
  return {};
}

std::string in_words(Duration duration) {
  using namespace std::chrono_literals;
  const auto nanoseconds = static_cast<double>(duration.count());
  if (duration % 1h == 0h && duration != 0h) return fmt::format("{}h", duration / 1h);
  if (duration >= 1s || duration <= -1s) return fmt::format("{:g}s", nanoseconds / 1e9);
  if (duration >= 1ms || duration <= -1ms) return fmt::format("{:g}ms", nanoseconds / 1e6);
  if (duration == 0s) return "0s";
  return fmt::format("{:g}us", nanoseconds / 1e3);
}

}  // namespace weir::resilience
