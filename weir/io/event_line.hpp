#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <weir/store/batch.hpp>
#include <weir/store/event.hpp>

namespace weir::io {

/// An event as it came from a file.
struct LineEvent {
  Event event;
  std::optional<Tracking> tracking = std::nullopt;
  /// The line says "id":null: an event that came by the umadb.v1 protocol without one.
  bool without_id = false;
};

/// Appends an event as one line of NDJSON, with its line end. The members stand in this order:
/// position, id, type, tags, data, contentType (unless JSON by default), metadata (if any),
/// occurredAt, tracking (if any). recorded_at is left out: it is the log's own, and a copy of the
/// log has another.
///
/// The payload is `data`, inline and unaltered, when it is JSON on one line; `dataText`, a JSON
/// string, when it is JSON that a line cannot hold as it is (line ends, space around it) or text;
/// `dataBase64` otherwise. So parse_event_line() gives it back byte for byte.
void append_event_line(std::string& out, const EventView& event);

/// Reads such a line, or one written by hand: only `type` must be there, in any order, and `data`
/// is {} when no payload is given. `position` and `recordedAt` are passed over. Limits of sizes
/// are the store's business.
/// Errors: invalid_argument naming the member.
Result<LineEvent> parse_event_line(std::string_view line);

}  // namespace weir::io
