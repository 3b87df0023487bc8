#pragma once

#include <cstdio>
#include <string_view>

#include <apps/weir/program.hpp>

namespace weir::cli {

/// Where a command prints its results. A reader that goes away (`weir read | head -1`) ends the
/// output quietly; a full disk is an error.
/// Threads: one at a time. Ownership: the file must outlive it.
class Output {
 public:
  explicit Output(std::FILE* file) : file_(file) {}

  /// False when nothing more can be written; then stop and return finish().
  bool write(std::string_view text);
  /// What was written can be seen by the reader from now on.
  bool flush();
  /// Flushes, and says how it went: `fine` too when the reader went away.
  Result<Exit> finish(Exit exit = Exit::fine);

 private:
  bool failed();

  std::FILE* const file_;
  int error_ = 0;
};

/// Says something beside the results, on standard error. When that cannot be written there is
/// nobody to be told.
void tell(const Program& program, std::string_view text);

/// Whether a person is looking.
bool is_terminal(std::FILE* file);
/// Whether to print in colour: on a terminal, unless NO_COLOR is set or TERM is "dumb".
bool in_colour(std::FILE* file);

}  // namespace weir::cli
