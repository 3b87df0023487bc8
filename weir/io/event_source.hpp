#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <weir/base/result.hpp>
#include <weir/io/event_line.hpp>
#include <weir/store/limits.hpp>

namespace weir::io {

/// Told of each row or line that cannot be read.
using OnProblem = std::function<void(std::uint64_t line, const std::string& problem)>;

/// An event of a file, and the number of the line that it begins on.
struct SourceEvent {
  LineEvent read;
  std::uint64_t line = 0;
};

/// The events of a file in the order in which they are to be appended, as often as wanted.
/// Threads: one at a time.
class EventSource {
 public:
  virtual ~EventSource() = default;

  /// What an event may have; more cannot be read. Call it before the first next(). Default:
  /// Limits{}.
  virtual void set_limits(const Limits& limits) = 0;
  /// The next event; nothing at the end. Rows that cannot be read are told and passed over.
  /// Errors: unknown when the file cannot be read.
  virtual Result<std::optional<SourceEvent>> next(const OnProblem& on_problem) = 0;
  /// Back to the first.
  virtual Result<void> rewind() = 0;

  /// How much of the file has been read, of how much: for progress.
  virtual std::uint64_t bytes_done() const = 0;
  virtual std::uint64_t bytes_all() const = 0;
};

}  // namespace weir::io
