#include <weir/io/csv.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::io {

CsvReader::CsvReader(std::string_view text, CsvOptions options) : text_(text), options_(options) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

void CsvReader::seek(const CsvRow& row) {
  at_ = row.offset;
  line_ = row.line;
}

bool CsvReader::at_line_end() const {
  if (at_ >= text_.size()) return true;
  return text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n";
}

void CsvReader::take_line_end() {
  if (at_ >= text_.size()) return;
  at_ += text_[at_] == '\r' ? 2 : 1;
  ++line_;
}

bool CsvReader::skip_empty_lines() {
  while (at_ < text_.size() && at_line_end()) take_line_end();
  return at_ < text_.size();
}

bool CsvReader::next(CsvRow& row) {
  if (!skip_empty_lines()) return false;
  row.line = line_;
  row.offset = at_;
  row.cells.clear();
  row.problem.clear();
  row_end_max_ = at_ + std::min(options_.row_bytes_max, text_.size() - at_);
  read_row(row);
  return true;
}

void CsvReader::read_row(CsvRow& row) {
  while (true) {
    std::string cell;
    if (auto problem = read_cell(cell); !problem.empty()) return fail(row, std::move(problem));
    row.cells.push_back(std::move(cell));
    if (at_line_end()) break;
    ++at_;  // the separator
  }
  if (!is_utf8(text_.substr(row.offset, at_ - row.offset))) {
    return fail(row, "is not valid UTF-8");
  }
  if (columns_ != 0 && row.cells.size() != columns_) {
    return fail(row, fmt::format("has {} columns, the header has {}", row.cells.size(), columns_));
  }
  columns_ = row.cells.size();
  take_line_end();
}

/// Ends at a separator or a line end. Returns what is wrong.
std::string CsvReader::read_cell(std::string& cell) {
  if (at_ < text_.size() && text_[at_] == '"') return read_quoted(cell);
  const auto start = at_;
  while (!at_line_end() && text_[at_] != options_.separator) {
    if (at_ >= row_end_max_) return fmt::format("is longer than {} bytes", options_.row_bytes_max);
    ++at_;
  }
  cell = text_.substr(start, at_ - start);
  return {};
}

std::string CsvReader::read_quoted(std::string& cell) {
  ++at_;
  while (true) {
    const auto quote = text_.substr(0, row_end_max_).find('"', at_);
    if (quote == std::string_view::npos) {
      return row_end_max_ == text_.size()
                 ? "has a quote that is not closed"
                 : fmt::format("has a quote that is not closed within {} bytes",
                               options_.row_bytes_max);
    }
    const auto part = text_.substr(at_, quote - at_);
    line_ += static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\n'));
    cell += part;
    at_ = quote + 1;
    if (text_.substr(at_, 1) != "\"") break;
    cell += '"';
    ++at_;
  }
  if (at_line_end() || text_[at_] == options_.separator) return {};
  return "has text after a closing quote";
}

void CsvReader::fail(CsvRow& row, std::string problem) {
  row.problem = std::move(problem);
  seek(row);
  at_ = std::min(text_.find('\n', at_), text_.size());
  take_line_end();
}

}  // namespace weir::io
