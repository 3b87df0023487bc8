#include <weir/gateway/comments.hpp>

#include <google/protobuf/descriptor.pb.h>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;

std::string tidy(const std::string& comment) {
  std::string out;
  for (std::size_t at = 0; at < comment.size();) {
    const auto end = std::min(comment.find('\n', at), comment.size());
    const auto begin = std::min(comment.find_first_not_of(' ', at), end);
    const auto line = comment.substr(begin, end - begin);
    at = end + 1;
    if (line.empty()) {
      out += "\n\n";
    } else {
      if (!out.empty() && out.back() != '\n') out += ' ';
      out += line;
    }
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

template <class Descriptor>
std::string comment_of(const Descriptor* descriptor) {
  pb::SourceLocation location;
  if (descriptor == nullptr || !descriptor->GetSourceLocation(&location)) return {};
  return tidy(!location.leading_comments.empty() ? location.leading_comments
                                                 : location.trailing_comments);
}

}  // namespace

Result<Comments> Comments::read(std::string_view descriptor_set) {
  Comments comments;
  comments.pool_ = std::make_shared<pb::DescriptorPool>();
  pb::FileDescriptorSet files;
  if (!files.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size()))) {
    return invalid_field("descriptor_set", "it is no serialized FileDescriptorSet");
  }
  for (const auto& file : files.file()) {
    if (comments.pool_->BuildFile(file) == nullptr) {
      return invalid_field("descriptor_set", "it lacks what this file imports: " + file.name());
    }
  }
  return comments;
}

std::string Comments::of(const pb::MethodDescriptor& method) const {
  return comment_of(pool_->FindMethodByName(method.full_name()));
}
std::string Comments::of(const pb::Descriptor& type) const {
  return comment_of(pool_->FindMessageTypeByName(type.full_name()));
}
std::string Comments::of(const pb::FieldDescriptor& field) const {
  return comment_of(pool_->FindFieldByName(field.full_name()));
}
std::string Comments::of(const pb::ServiceDescriptor& service) const {
  return comment_of(pool_->FindServiceByName(service.full_name()));
}

}  // namespace weir::gateway
