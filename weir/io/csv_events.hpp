#pragma once

#include <memory>
#include <string>
#include <vector>

#include <weir/io/csv.hpp>
#include <weir/io/event_source.hpp>

namespace weir::io {

/// A column whose cells become tags "key:cell".
struct CsvTag {
  std::string column;
  std::string key;
};

/// "COLUMN=key"; the last '=' divides them, so that a column's name may hold any.
Result<CsvTag> parse_csv_tag(std::string_view text);

/// Which columns become what. The others become the payload: a JSON object of strings, in the
/// columns' order, empty cells as empty strings.
struct CsvMapping {
  /// Column of the event's type.
  std::string type;
  /// Empty cells give no tag.
  std::vector<CsvTag> tags = {};
  /// Column of occurred_at (RFC 3339). Empty: none; then the rows' order is kept.
  std::string time = {};
  CsvOptions csv = {};
};

/// The rows of a CSV text as events: in the order of their times, those with equal times in the
/// order of the file. Holds the text and some 32 bytes a row.
/// Errors: invalid_argument naming the column that the header lacks or has twice.
Result<std::unique_ptr<EventSource>> open_csv_events(std::string text, CsvMapping mapping);

}  // namespace weir::io
