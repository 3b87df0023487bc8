#pragma once

#include <string>
#include <string_view>

#include <weir/store/event_store.hpp>

#include <apps/weir/options.hpp>

namespace weir::cli {

/// Reads "tag=book:dune type=Lent where=reader=ada after=7": words divided by spaces, each of
/// tag, type and where as often as wanted, joined into one query item; a value with spaces stands
/// in double quotes (type="Book lent"), where \" and \\ mean what they say.
/// Errors: invalid_argument.
Result<Condition> parse_condition(std::string_view text);

/// What to tell a person whose append was refused: which event was in the way, and the command
/// that shows it. Reads that event from the store.
std::string explain_refusal(EventStore& store, const StoreOptions& options,
                            const Condition& condition, const Error& error, CallOptions call);

}  // namespace weir::cli
