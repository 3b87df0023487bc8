#pragma once

#include <cstdio>
#include <string>

#include <weir/store/batch.hpp>

namespace weir::cli {

enum class EventStyle { text, colour, json };

/// JSON when asked for; else text, in colour where that suits the file.
EventStyle style_for(std::FILE* file, bool json);

/// Appends one event as one line: as NDJSON (the line of `export`), or for a person: position,
/// time of occurrence, type, tags and payload. Control characters are shown as \xNN, so that no
/// event can play with a terminal; payloads that are not text by their size.
void append_event(std::string& out, const EventView& event, EventStyle style);

/// The events of a batch, one after the other.
std::string to_text(const Batch& batch, EventStyle style);

/// A text with its control characters as \xNN, and those that turn the direction of writing as
/// \uNNNN.
std::string printable(std::string_view text);

}  // namespace weir::cli
