#pragma once

#include <string_view>

#include <google/protobuf/message.h>

#include <weir/base/result.hpp>

namespace weir::gateway {

/// Sets a field of any kind but a message from its text ("42", "true", "RED", base64 for bytes); a
/// repeated field gets one more element. Integers are read exactly; "1e3" and "2.0" are integers.
/// Errors: invalid_argument naming `where` and what was expected.
Result<void> set_scalar(google::protobuf::Message& message,
                        const google::protobuf::FieldDescriptor& field, std::string_view text,
                        std::string_view where);

/// Sets a google.protobuf.Timestamp (RFC 3339) or Duration ("1.5s") from its text.
Result<void> set_time(google::protobuf::Message& message, std::string_view text,
                      std::string_view where);

/// Whether JSON shows this message as one string: Timestamp and Duration.
bool is_time(const google::protobuf::Descriptor& type);

}  // namespace weir::gateway
