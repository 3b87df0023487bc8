#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <weir/sql/postgres/params.hpp>
#include <weir/sql/postgres/rows.hpp>
#include <weir/store/batch.hpp>
#include <weir/store/engine/backend.hpp>

namespace weir::postgres {

/// The columns of weir.event that EventDecoder expects, in its order.
inline constexpr std::string_view event_columns =
    "position, bytes, occurred_at, recorded_at, id, type, tags, data, content_type, metadata, "
    "tracking_source, tracking_position, raw";

/// One row of weir.event as fields.
/// Threads: one at a time.
class EventDecoder {
 public:
  /// `column` is where event_columns begin.
  explicit EventDecoder(int column) : column_(column) {}

  /// Takes a row apart; what it gives is valid until the next and as long as the rows.
  /// Errors: data_loss.
  Result<void> decode(const Rows& rows, std::size_t row);
  Position position() const { return fields_.position; }
  std::int64_t bytes() const { return bytes_; }
  Subject subject() const;
  void add_to(BatchBuilder& builder) const;

 private:
  Result<void> decode_raw(std::string_view raw);
  Error malformed(const char* column) const;

  const int column_;
  std::int64_t bytes_ = 0;
  EventFields fields_;
  Uuid id_;
  std::vector<std::string_view> metadata_;
  Batch raw_batch_;
  EventView raw_;
  bool is_raw_ = false;
};

/// The values for insert_events: all events of a group.
Params encode_events(std::int32_t log_id, const engine::Group& group);

/// INSERT of such values.
extern const std::string_view insert_events;

}  // namespace weir::postgres
