#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/sql/sqlite/session.hpp>
#include <weir/store/batch.hpp>
#include <weir/store/engine/backend.hpp>

namespace weir::sqlite {

/// The columns that RowReader expects, in its order; others may follow.
inline constexpr std::string_view event_columns =
    "position, type, tags, data, id, content_type, metadata, occurred_at, recorded_at, "
    "tracking_source, tracking_position";
inline constexpr int event_columns_count = 11;

/// Takes rows of the event table apart. Reused from row to row, so that it allocates little.
/// Threads: one at a time.
class RowReader {
 public:
  /// The fields of the statement's current row; views valid until its next step.
  /// Errors: data_loss naming the position when the row can't be what was written.
  Result<const EventFields*> read(const Statement& row);

 private:
  Result<void> read_tags(std::string_view json);
  Result<void> read_metadata(std::string_view json);
  Error unreadable(std::string_view column) const;

  EventFields fields_;
  Uuid id_;
  std::vector<std::string_view> strings_;
  std::deque<std::string> unescaped_;
};

/// Finds the event of a mark.
inline constexpr std::string_view select_mark =
    "SELECT recorded_at, checksum FROM event WHERE position = ?";
/// `select`: that, prepared. Nothing when there is no such event.
Result<std::optional<engine::Mark>> mark_at(Statement& select, Position position);

/// Writes events into the event table.
/// Threads: one at a time.
class RowWriter {
 public:
  static Result<RowWriter> create(Session& session);
  Result<void> insert(const engine::NewEvent& event, Timestamp recorded_at);

 private:
  explicit RowWriter(Statement insert) : insert_(std::move(insert)) {}

  Statement insert_;
  std::string tags_;
  std::string metadata_;
};

}  // namespace weir::sqlite
