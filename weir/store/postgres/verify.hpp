#pragma once

#include <functional>
#include <string>

#include <weir/base/result.hpp>

namespace weir::postgres {

/// Told of each thing that is damaged, as a sentence.
using OnDamage = std::function<void(const std::string& damage)>;

/// Looks at one log's rows below the level of events, while it may be in use: each row readable and
/// equal to its checksum, positions without a gap, and the log's head that of its last event.
/// PostgreSQL's own pages are its own to check (data checksums, amcheck).
/// Memory: some MiB whatever the size of the log.
/// Errors: not_found and those of reaching the database; damage is told, not an error.
Result<void> verify_log(const std::string& uri, const std::string& log, const OnDamage& on_damage);

}  // namespace weir::postgres
