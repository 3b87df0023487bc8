#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>

#include <weir/base/json.hpp>
#include <weir/base/result.hpp>

namespace weir::gateway {

/// Nesting of a body: that of a payload, and as much again for what a payload stands in.
inline constexpr std::size_t body_depth_max = 2 * json_depth_max;

/// Reads a JSON object into a message by the proto3 mapping: names in camelCase or as in the proto,
/// 64-bit integers as numbers or strings. A payload field (weir.gateway.v1.payload) takes the exact
/// source text of whatever value is there, which may nest json_depth_max levels by itself; one of
/// JSON that is empty and not named is {}. Other fields not named keep what they had. Threads: any.
/// Errors: invalid_argument naming the field
/// ("events[3].tags") for what is unknown, given twice or of another type, or for a payload that
/// nests too deep; naming the byte for what is not JSON or nests deeper than body_depth_max.
Result<void> read_json(std::string_view text, google::protobuf::Message& message);

/// The same for the value of one field, whose name in messages is its own.
Result<void> read_json_field(std::string_view text, google::protobuf::Message& message,
                             const google::protobuf::FieldDescriptor& field);

/// The field by its JSON name or its own. Null when there is none.
const google::protobuf::FieldDescriptor* find_field(const google::protobuf::Descriptor& type,
                                                    std::string_view name);

/// Sets fields from a URL's query: "tags=a&tags=b&query.where_any=true&query={...}". Each parameter
/// names a field by path; a message, a map or a time may be given as text, the first two as JSON.
/// `taken` are the paths that the URL's path has set already.
/// Errors: invalid_argument naming the parameter.
Result<void> read_query(std::string_view query, const std::vector<std::string>& taken,
                        google::protobuf::Message& message);

/// Sets the field at a dotted path from plain text, as a path or a header gives it.
Result<void> read_text(std::string_view path, std::string_view text,
                       google::protobuf::Message& message);

}  // namespace weir::gateway
