#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {

struct CsvOptions {
  /// Between cells. Any ASCII character but a quote and a line end. Default a comma.
  char separator = ',';
  /// Bytes of a row. Default 2 MiB.
  std::size_t row_bytes_max = 2 << 20;
};

struct CsvRow {
  /// Number of the line on which the row begins, from 1.
  std::uint64_t line = 0;
  /// Where it begins in the text: see CsvReader::seek().
  std::size_t offset = 0;
  std::vector<std::string> cells;
  /// What is wrong with the row, for a person; empty when it is fine. Then cells mean nothing.
  std::string problem;
};

/// Rows of a CSV text (RFC 4180): cells in quotes may hold separators, line ends and doubled
/// quotes; lines end with LF or CRLF; a byte order mark at the start and empty lines are passed
/// over. All rows have as many cells as the first. A bad row is reported and reading goes on with
/// the line after the one it began on, so that a stray quote does not swallow what follows.
/// Threads: one at a time. Ownership: the text must outlive the reader.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text, CsvOptions options = {});

  /// False at the end.
  bool next(CsvRow& row);

  /// Goes on at a row met before.
  void seek(const CsvRow& row);
  /// Bytes read so far.
  std::size_t offset() const { return at_; }

 private:
  bool skip_empty_lines();
  void read_row(CsvRow& row);
  std::string read_cell(std::string& cell);
  std::string read_quoted(std::string& cell);
  bool at_line_end() const;
  void take_line_end();
  void fail(CsvRow& row, std::string problem);

  const std::string_view text_;
  const CsvOptions options_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
  std::size_t row_end_max_ = 0;
  std::size_t columns_ = 0;  ///< 0 before the first row
};

}  // namespace weir::io
