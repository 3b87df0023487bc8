#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

namespace weir::gateway {

/// Where the text goes.
enum class JsonLayout : std::uint8_t {
  as_is,     ///< payloads keep their white space
  one_line,  ///< line breaks inside payloads become spaces, for SSE and NDJSON
};

/// Writes messages as JSON by the proto3 mapping, with these choices: integers up to 2^53 are
/// numbers, larger ones strings; numbers, booleans, enumerations and lists are written also when
/// they are 0 or empty, strings, bytes and maps are not; a payload field (weir.gateway.v1.payload)
/// appears inline. Strings of a message are valid UTF-8 by protobuf's own check.
/// Threads: any.
void write_json(const google::protobuf::Message& message, std::string& out,
                JsonLayout layout = JsonLayout::as_is);

/// The members of a message without `skipped` and without the braces around them; nothing when
/// there are none.
void write_json_members(const google::protobuf::Message& message,
                        const google::protobuf::FieldDescriptor* skipped, std::string& out,
                        JsonLayout layout = JsonLayout::as_is);

/// A single field's value as plain text: for an SSE id. Empty when it is a message or a list.
std::string field_text(const google::protobuf::Message& message,
                       const google::protobuf::FieldDescriptor& field);

}  // namespace weir::gateway
