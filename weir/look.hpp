#pragma once

#include <weir/store/postgres/database.hpp>
#include <weir/store/resilient/recovery.hpp>

namespace weir {

/// What Shield::look_with() takes: asks the database, by a connection of its own, whether it
/// answers, and takes writes. Keeps nothing of it.
resilient::Look look_at(postgres::Database& database);

}  // namespace weir
