#pragma once

#include <string_view>

#include <weir/base/error.hpp>

namespace weir::postgres {

/// What an error of the server means to a caller. `sqlstate` has five characters (PostgreSQL's
/// manual, Appendix A); empty: the connection failed. `what` is the server's own sentence, which
/// goes into the message; it may hold several lines, of which the first counts.
Error error_of(std::string_view sqlstate, std::string_view what);

/// The detail under which an Error carries the SQLSTATE.
inline constexpr std::string_view sqlstate_detail = "sqlstate";

/// Whether the error carries this SQLSTATE.
bool has_sqlstate(const Error& error, std::string_view sqlstate);

}  // namespace weir::postgres
