#pragma once

#include <cstdint>

#include <weir/base/time.hpp>
#include <weir/store/batch.hpp>
#include <weir/store/position.hpp>

namespace weir::engine {

/// What tells an event from any other that was ever at its position: a database may be put back to
/// an older state (a restored backup, a replica promoted that lacked events) and be written to
/// again. Whoever keeps something of a log in memory knows by the mark of the last event it saw
/// whether that still is what the log begins with.
struct Mark {
  Position position;
  /// See checksum_of().
  std::uint64_t checksum = 0;
  Timestamp recorded_at;

  bool operator==(const Mark&) const = default;
};

Mark mark_of(const EventView& event);

}  // namespace weir::engine
