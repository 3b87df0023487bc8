#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <weir/base/result.hpp>
#include <weir/store/event_store.hpp>

namespace weir::sqlite {

/// Told how far a copy has come.
using OnCopied = std::function<void(std::uint64_t done, std::uint64_t all)>;

/// Copies a log's file as it is at one moment, while it is in use, and writes it to disk. The copy
/// is a log's file like any other. `destination` must not exist; it appears when it is whole, and
/// is "DESTINATION.part" until then. What one that was killed has left there is written anew.
/// Progress counts pages.
/// Errors: not_found, already_exists (also when another copy to the same is under way), unknown
/// (the destination cannot be written), unavailable.
Result<void> backup_file(const std::string& path, const std::string& destination,
                         const OnCopied& on_copied);

/// Copies the events of any log, as of one head, into a new log's file: positions, ids and all
/// times are the same. Idempotency keys and snapshots are not copied. Progress counts events.
/// Errors: already_exists, unknown (the destination cannot be written), unavailable, and those of
/// reading.
Result<void> copy_log(EventReader& log, const std::string& destination, const OnCopied& on_copied);

}  // namespace weir::sqlite
