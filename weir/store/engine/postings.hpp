#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/store/engine/terms.hpp>
#include <weir/store/requests.hpp>

namespace weir::engine {

/// Walks increasing (or, backwards, decreasing) positions.
/// Threads: one at a time.
class Cursor {
 public:
  virtual ~Cursor() = default;

  /// The first position at or past `from` in the cursor's direction; nothing when there is none.
  /// `from` never goes back from one call to the next.
  /// Errors: those of whatever the positions are read from.
  virtual Result<std::optional<Position>> seek(Position from) = 0;
};

/// Gives a cursor over one term's positions.
class PostingSource {
 public:
  virtual ~PostingSource() = default;
  virtual Result<std::unique_ptr<Cursor>> list(Term term) = 0;
};

/// A cursor over positions in memory, in the direction's order.
std::unique_ptr<Cursor> make_list_cursor(std::vector<Position> positions, Direction direction);

/// The candidates for a query that does not scan: intersections of unions, joined.
Result<std::unique_ptr<Cursor>> make_query_cursor(const CompiledQuery& query, PostingSource& source,
                                                  Direction direction);

}  // namespace weir::engine
