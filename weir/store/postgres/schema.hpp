#pragma once

#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {

/// The schema's version that this program knows.
int schema_version();

/// Brings the schema up to date, where it is not. Several processes may do so at once.
/// `create`: also where there is none.
/// Errors: failed_precondition (the schema is newer: Reason::schema_too_new; the server is older
/// than 15, or the database's encoding is not UTF8), not_found (there is none) and those of a
/// connection.
Result<void> migrate(Session& session, bool create, const Patience& patience);

}  // namespace weir::postgres
