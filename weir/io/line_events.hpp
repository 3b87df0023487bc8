#pragma once

#include <cstdio>
#include <memory>

#include <weir/io/event_source.hpp>
#include <weir/store/limits.hpp>

namespace weir::io {

struct LineOptions {
  /// Bytes of a line. Default 16 MiB, which holds any event within the default limits.
  std::size_t line_bytes_max = 16 << 20;
  Limits limits = {};
};

/// The lines of an NDJSON file as events, in the order of the file. Empty lines are passed over.
/// Memory: a line. The file must allow seeking; it is closed with the source.
Result<std::unique_ptr<EventSource>> open_line_events(std::FILE* file, LineOptions options = {});

}  // namespace weir::io
