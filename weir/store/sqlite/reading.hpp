#pragma once

#include <weir/store/event_store.hpp>
#include <weir/store/sqlite/file.hpp>

namespace weir::sqlite {

/// One step of a read: candidates by the runs, then by the tail, then whatever is newer than the
/// tail one by one; each judged by the event itself.
/// Threads: any.
Result<ReadStep> read_step(File& file, const ReadRequest& request);

/// The whole answer, when it is a matter of few events and all of them are in memory.
/// Threads: any; never blocks.
std::optional<ReadStep> read_at_once(File& file, const ReadRequest& request);

}  // namespace weir::sqlite
