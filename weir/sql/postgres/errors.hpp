#pragma once

#include <string_view>

#include <weir/base/error.hpp>

namespace weir::postgres {

/// Whether the same statement may well succeed a little later, by the state of the server or of the
/// connection: 40001 40P01 08000 08001 08003 08004 08006 53000 53100 53200 53300 53400 55P03 57P01
/// 57P02 57P03 57P05 58000 58030. Violated constraints and bad syntax never are. Whether repeating
/// is safe is for whoever knows what the statement does.
bool is_transient(std::string_view sqlstate);

/// What an error of the server means to a caller: unavailable when it is transient, with
/// retry_after for 53300 (too many connections) and 57P03 (starting up). `sqlstate` has five
/// characters (PostgreSQL's manual, Appendix A); empty: the connection failed. `what` is the
/// server's own sentence, which goes into the message; of several lines the first counts.
Error error_of(std::string_view sqlstate, std::string_view what);

/// The detail under which an Error carries the SQLSTATE.
inline constexpr std::string_view sqlstate_detail = "sqlstate";

/// The SQLSTATE that an error carries; empty when it has none. A view into the error.
std::string_view sqlstate_of(const Error& error);

/// Whether it tells that this server is not, or not for long, the one to write to: read-only
/// (25006), shutting down, crashed or starting up (57P01 to 57P03). Other connections to it are of
/// no more use than this one.
bool server_is_leaving(std::string_view sqlstate);

/// Whether the server does not let this program in: its password, role or database is wrong, or it
/// lacks a right. No waiting helps as long as nobody changes that.
bool is_refusal(const Error& error);

/// Whether the error carries this SQLSTATE.
bool has_sqlstate(const Error& error, std::string_view sqlstate);

}  // namespace weir::postgres
