#pragma once

#include <cstdio>
#include <memory>

#include <weir/io/event_source.hpp>

namespace weir::io {

/// The lines of an NDJSON file as events, in the order of the file. Empty lines are passed over.
/// Memory: a line, which may have four times the bytes that an append may: 16 MiB by default.
/// The file must allow seeking; it is closed with the source.
Result<std::unique_ptr<EventSource>> open_line_events(std::FILE* file);

}  // namespace weir::io
