#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/resilience/core/duration.hpp>

namespace weir::resilience {

/// Keeps the first option of a strategy that is out of its range.
/// Errors: invalid_argument, "retry.attempts_max: 0, must be from 1 to 1000".
class Check {
 public:
  explicit Check(std::string_view strategy) : strategy_(strategy) {}

  Check& in(std::string_view option, double value, double least, double most);
  Check& in(std::string_view option, Duration value, Duration least, Duration most);
  /// As in(), but `least` itself is too little.
  Check& above(std::string_view option, double value, double least, double most);
  Check& that(bool holds, std::string_view option, std::string_view problem);
  /// Checks the value where there is one.
  template <class T>
  Check& in_if(std::string_view option, const std::optional<T>& value, T least, T most) {
    return value ? in(option, *value, least, most) : *this;
  }

  Result<void> result() const;

 private:
  std::string strategy_;
  std::optional<Error> error_;
};

/// "250ms", "1.5s": as one writes it, for messages and descriptions.
std::string in_words(Duration duration);

}  // namespace weir::resilience
