#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir::io {

/// Lines of a file, one at a time, in memory bounded by the longest line allowed.
/// Threads: one at a time. Ownership: the file must outlive it and is not closed.
class LineReader {
 public:
  /// Lines longer than this many bytes are passed over and reported. At least 1.
  LineReader(std::FILE* file, std::size_t line_bytes_max);
  void set_line_bytes_max(std::size_t bytes) { line_bytes_max_ = bytes; }

  enum class Next : std::uint8_t { line, too_long, end };

  /// The next line is in line(), without its LF or CRLF, valid until the next call. The last one
  /// needs no line end.
  /// Errors: unknown when the file cannot be read.
  Result<Next> next();

  /// The file has been set back to its start.
  void restart();

  std::string_view line() const { return line_; }
  /// Its number, from 1.
  std::uint64_t number() const { return number_; }
  /// Bytes taken from the file up to the end of the line.
  std::uint64_t bytes() const { return bytes_; }

 private:
  bool fill();

  std::FILE* const file_;
  std::size_t line_bytes_max_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string line_;
  std::uint64_t number_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace weir::io
