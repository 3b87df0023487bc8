#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

namespace weir::gateway {

/// How a bytes field appears in JSON.
enum class PayloadForm : std::uint8_t {
  json,    ///< inline, its own text
  text,    ///< a JSON string
  base64,  ///< a JSON string of base64
};

/// By media type: "", application/json and +json are json; text/* is text; others are base64.
/// Parameters such as "; charset=utf-8" and case do not matter.
PayloadForm payload_form(std::string_view content_type);

/// Whether the field carries the option weir.gateway.v1.payload.
bool is_payload(const google::protobuf::FieldDescriptor& field);

/// The form of this message's payload field, by the content type that the message has now.
PayloadForm payload_form(const google::protobuf::Message& message,
                         const google::protobuf::FieldDescriptor& field);

/// The name of the field beside a payload that holds bytes which are not what their content type
/// says: "dataBase64" for "data". It is written only then, and may be given instead of "data".
std::string base64_name(const google::protobuf::FieldDescriptor& field);

}  // namespace weir::gateway
