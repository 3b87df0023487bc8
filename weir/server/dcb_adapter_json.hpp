#pragma once

#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/store/event_store.hpp>

/// The JSON of the DCB benchmark's contract: see dcb_adapter.hpp.
namespace weir::server {

/// From the URL's query, percent-encoded. What is not there does not constrain.
/// Errors (of both): invalid_argument naming the parameter or field.
Result<ReadRequest> parse_dcb_read(std::string_view url_query);
Result<AppendRequest> parse_dcb_append(std::string_view body);

/// Adds one event of the answer to a read.
void append_dcb_event(std::string& out, const EventView& event);

}  // namespace weir::server
