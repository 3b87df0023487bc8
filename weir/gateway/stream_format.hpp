#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>
#include <grpcpp/support/status.h>

#include <weir/gateway/http.hpp>

namespace weir::gateway {

enum class StreamFormat : std::uint8_t { json, ndjson, sse };

/// What the option weir.gateway.v1.stream says, as fields; null where it says nothing.
struct StreamShape {
  const google::protobuf::FieldDescriptor* items = nullptr;
  const google::protobuf::FieldDescriptor* id = nullptr;
  const google::protobuf::FieldDescriptor* resume = nullptr;
  const google::protobuf::FieldDescriptor* cursor = nullptr;
};

/// By the Accept header with its q-values; what names none of them gets `otherwise`.
StreamFormat choose_format(std::string_view accept, StreamFormat otherwise);

/// Turns the responses of a stream into text, piece by piece. Without items every response is an
/// element. It keeps nothing but the members of the last response.
///   json    {"events":[...],"head":8}: the elements, then the other members of the last response;
///           without items just [...]
///   ndjson  an element a line; a failure is a last line {"error":{...}}
///   sse     "id:" and "data:" for an element; for a response without elements a comment and, if it
///           has a cursor, an "id:" that moves the client's place on; "event: end" with the other
///           members of the last response at the end, "event: error" for a failure
/// Threads: one.
class StreamWriter {
 public:
  StreamWriter(StreamFormat format, StreamShape shape);

  /// A stream of SSE, and any that has no end (a resume field), is to be filled when it is silent:
  /// a comment, a blank line, white space.
  StreamHead head() const;
  /// The text of one response; may be empty.
  std::string message(const google::protobuf::Message& response);
  /// What comes after the last response of a stream that ended well.
  std::string end();
  /// What tells of a failure. Nothing for json: there the connection is to be cut.
  std::string failure(const grpc::Status& status) const;

 private:
  void element(const google::protobuf::Message& element, std::string& out);
  void sse_mark(const google::protobuf::Message& response, std::string& out) const;
  std::string opening() const;

  const StreamFormat format_;
  const StreamShape shape_;
  bool opened_ = false;
  bool any_element_ = false;
  std::string last_members_;
};

}  // namespace weir::gateway
