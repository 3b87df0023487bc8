#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <weir/base/result.hpp>

namespace weir::sqlite {

/// Told of each thing that is damaged, as a sentence.
using OnDamage = std::function<void(const std::string& damage)>;

/// Looks at one log's file below the level of events, while it may be in use: SQLite's own
/// integrity check, positions without a gap, each row readable and equal to its checksum, and the
/// postings of each run equal to those of the events that it covers.
/// Memory: a few MiB whatever the size of the log. Opens even what a log could not be opened from.
/// Errors: not_found and unavailable; damage is told, not an error.
Result<void> verify_file(const std::string& path, const OnDamage& on_damage);

}  // namespace weir::sqlite
