#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include <weir/io/content_id.hpp>
#include <weir/io/event_source.hpp>
#include <weir/store/event_store.hpp>

namespace weir::cli {

struct ImportOptions {
  /// Events of an append. 1 to 10,000. Default 1000.
  std::size_t batch_events_max = 1000;
  /// Bytes of an append of several events. Default 1 MiB.
  std::size_t batch_bytes_max = 1 << 20;
  /// Append nothing if anything cannot be read.
  bool strict = false;
  /// Append nothing at all; only say what would be.
  bool dry_run = false;
  /// Keep events that say so without an id. Only engines in this process can.
  bool keep_without_id = false;
  /// Bytes that the import may hold for its ids. Default 1 GiB.
  std::size_t memory_max = 1 << 30;
  /// For appends, and their conditions; the store's own when null.
  const Limits* limits = nullptr;
  io::OnProblem on_problem = [](std::uint64_t, const std::string&) {};
  std::function<void(std::uint64_t done, std::uint64_t all)> on_progress = [](std::uint64_t,
                                                                              std::uint64_t) {};
  /// Ends the import with `cancelled` before the next append.
  std::stop_token stop = {};
};

struct Imported {
  /// Appended now, or with dry_run, to be appended.
  std::uint64_t imported = 0;
  /// In the log already, or more than once in the file.
  std::uint64_t already_there = 0;
  /// Could not be read.
  std::uint64_t skipped = 0;
};

/// Appends the events of a file that the log does not have yet, in their order.
///
/// An event without an id gets one made of its content and of how many like it stood before it, so
/// a second import finds what the first one appended, whether that ended well or was killed. The
/// file is read once for its ids, then the log for those it has, then the file again. Each append
/// carries the condition that no event of the file's types came in between, so two imports at
/// once, or an import beside other writers, add nothing twice either.
/// Memory: 17 bytes an event, and 64 more for each that has no id.
/// Threads: one at a time. Errors: those of the store; invalid_argument when strict.
Result<Imported> import_events(io::EventSource& source, EventStore& store,
                               const ImportOptions& options);

}  // namespace weir::cli
