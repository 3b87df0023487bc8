#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <weir/store/event_store.hpp>

namespace weir::postgres {

/// Which constraints a reading statement has. Values are always parameters; only what stands in
/// this shape decides its text.
struct ReadShape {
  Direction direction = Direction::forwards;
  bool occurred_from = false;
  bool occurred_until = false;
  /// Per query item: how many of its groups of terms are checked besides the one that leads. Empty:
  /// the statement goes through the events themselves.
  std::vector<std::size_t> checks = {};
};

/// One step of a read.
///
/// Parameters: $1 log, $2 after, $3 until, $4 events at most, $5 bytes after which no further event
/// is taken, $6 how far to look (events to go through, or postings of each leading term); then
/// occurred_from and occurred_until as the shape has them; then per item the terms that lead and
/// those of each check, as arrays of int8.
///
/// Columns: head, reached (up to where all postings have been looked at; null: all), then
/// event_columns. One row with a null position when there is no event. Rows in order of reading.
std::string read_statement(const ReadShape& shape);

/// How common terms are: $1 log, $2 after, $3 until, $4 the terms, $5 postings to look at.
/// Columns: head, postings found, the last of them; a row a term, in their order.
std::string probe_statement(Direction direction);

}  // namespace weir::postgres
