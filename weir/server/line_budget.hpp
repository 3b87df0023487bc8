#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <weir/base/time.hpp>

namespace weir::server {

/// How many lines a stream of like events may put into the log: a burst, then one in a while that
/// says how many there were.
/// Threads: one at a time. The time is an argument.
class LineBudget {
 public:
  static constexpr int burst = 10;
  static constexpr std::chrono::seconds between{10};

  /// How many events to tell of, this one included; 0: be silent.
  std::uint64_t take(Instant now);

 private:
  std::optional<Instant> refilled_;
  int lines_ = burst;
  std::uint64_t silent_ = 0;
};

}  // namespace weir::server
