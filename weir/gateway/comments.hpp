#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>

#include <weir/base/result.hpp>

namespace weir::gateway {

/// The comments of .proto files, which generated descriptors do not have.
/// Threads: any, once made.
class Comments {
 public:
  /// From a serialized FileDescriptorSet with source info; empty text has no comments.
  /// Errors: invalid_argument when it is something else.
  static Result<Comments> read(std::string_view descriptor_set);

  /// The comment in front of it, as one paragraph a blank line; empty when there is none.
  std::string of(const google::protobuf::MethodDescriptor& method) const;
  std::string of(const google::protobuf::Descriptor& type) const;
  std::string of(const google::protobuf::FieldDescriptor& field) const;
  std::string of(const google::protobuf::ServiceDescriptor& service) const;

 private:
  std::shared_ptr<google::protobuf::DescriptorPool> pool_;
};

}  // namespace weir::gateway
