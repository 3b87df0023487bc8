#pragma once

#include <map>
#include <string>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <weir/gateway/comments.hpp>

namespace weir::gateway {

/// JSON schemas of messages as the gateway writes them, collected while they are referred to.
/// Threads: one.
class OpenApiSchemas {
 public:
  explicit OpenApiSchemas(const Comments& comments) : comments_(comments) {}

  /// {"$ref": ...} to the message's schema, which take() will contain.
  boost::json::value reference(const google::protobuf::Descriptor& type);
  /// The schema of a field's value, a list or a map if it is one.
  boost::json::object of(const google::protobuf::FieldDescriptor& field);
  /// Whether the field's value is one string although it is a message: a time.
  bool is_text(const google::protobuf::FieldDescriptor& field) const;

  /// All schemas by name.
  boost::json::object take();

 private:
  boost::json::object one(const google::protobuf::FieldDescriptor& field);
  boost::json::object message(const google::protobuf::Descriptor& type);

  const Comments& comments_;
  std::map<const google::protobuf::Descriptor*, std::string> names_;
  boost::json::object schemas_;
};

}  // namespace weir::gateway
