#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <apps/weir/program.hpp>

namespace weir::cli {

/// One line on a terminal's standard error that says how far something has come, how fast, and how
/// long it will still take. Silent when nobody is looking.
/// Threads: one at a time.
class Progress {
 public:
  /// `unit`: what is counted, "events" or "bytes".
  Progress(const Program& program, std::string doing, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// At most ten times a second something is drawn. `all` 0: unknown.
  void show(std::uint64_t done, std::uint64_t all);
  /// Takes the line away, so that something else can be printed.
  void clear();

 private:
  const Program& program_;
  const std::string doing_;
  const std::string unit_;
  const bool visible_;
  const Instant began_;
  Instant drawn_;
  bool on_screen_ = false;
};

/// "importing [=====>    ]  50%  1000/2000 events  500/s  2 s left"
std::string progress_line(std::string_view doing, std::string_view unit, std::uint64_t done,
                          std::uint64_t all, double seconds);

}  // namespace weir::cli
