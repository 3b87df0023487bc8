#include <weir/server/reflection_service.hpp>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpc/reflection/v1alpha/reflection.grpc.pb.h>

#include <functional>
#include <mutex>
#include <optional>
#include <set>

#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
namespace reflection_v1 = grpc::reflection::v1;
namespace reflection_v1alpha = grpc::reflection::v1alpha;
using Request = reflection_v1::ServerReflectionRequest;
using Response = reflection_v1::ServerReflectionResponse;

const DescriptorPool& pool() {
  return *DescriptorPool::generated_pool();
}

/// Imports come before what imports them.
void add_file(const FileDescriptor& file, std::set<const FileDescriptor*>& added,
              google::protobuf::RepeatedPtrField<std::string>& out) {
  if (!added.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i), added, out);
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  *out.Add() = proto.SerializeAsString();
}

void not_found(const std::string& what, Response& response) {
  auto& error = *response.mutable_error_response();
  error.set_error_code(grpc::StatusCode::NOT_FOUND);
  error.set_error_message("there is no " + what);
}

void give_file(const FileDescriptor* file, const std::string& what, Response& response) {
  if (file == nullptr) return not_found(what, response);
  std::set<const FileDescriptor*> added;
  add_file(*file, added,
           *response.mutable_file_descriptor_response()->mutable_file_descriptor_proto());
}

void answer(const Request& request, const std::vector<std::string>& services, Response& response) {
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      return give_file(pool().FindFileByName(request.file_by_filename()),
                       "file '" + request.file_by_filename() + "'", response);
    case Request::kFileContainingSymbol:
      return give_file(pool().FindFileContainingSymbol(request.file_containing_symbol()),
                       "symbol '" + request.file_containing_symbol() + "'", response);
    case Request::kFileContainingExtension: {
      const auto& asked = request.file_containing_extension();
      const auto* type = pool().FindMessageTypeByName(asked.containing_type());
      const auto* extension =
          type == nullptr ? nullptr : pool().FindExtensionByNumber(type, asked.extension_number());
      return give_file(extension == nullptr ? nullptr : extension->file(),
                       "extension " + std::to_string(asked.extension_number()) + " of '" +
                           asked.containing_type() + "'",
                       response);
    }
    case Request::kAllExtensionNumbersOfType: {
      const auto& name = request.all_extension_numbers_of_type();
      const auto* type = pool().FindMessageTypeByName(name);
      if (type == nullptr) return not_found("type '" + name + "'", response);
      std::vector<const google::protobuf::FieldDescriptor*> extensions;
      pool().FindAllExtensions(type, &extensions);
      auto& numbers = *response.mutable_all_extension_numbers_response();
      numbers.set_base_type_name(name);
      for (const auto* extension : extensions) numbers.add_extension_number(extension->number());
      return;
    }
    case Request::kListServices: {
      auto& list = *response.mutable_list_services_response();
      for (const auto& service : services) list.add_service()->set_name(service);
      return;
    }
    default:
      response.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error_response()->set_error_message("message_request: nothing is asked");
  }
}

/// One client's questions, one after the other. Owned by itself until gRPC is done with it.
class Questions final : public rpc::ServerReactor {
 public:
  using Call = rpc::ServerReaderWriter<Request, Response>;

  Questions(Call& call, const std::vector<std::string>& services, std::stop_token draining)
      : call_(call), services_(services) {
    call.set_reactor(*this);
    call.read(request_);
    on_drain_.emplace(std::move(draining), [this] { drain(); });
  }

 private:
  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    if (!ok) return finish(grpc::Status::OK);
    response_.Clear();
    answer(request_, services_, response_);
    writing_ = true;
    call_.write(response_);
  }
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) return finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client has gone"));
    if (draining_) return finish(remote::to_status(shutting_down()));
    call_.read(request_);
  }
  void OnDone() override { delete this; }

  void drain() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    if (!writing_) finish(remote::to_status(shutting_down()));
  }
  // With the lock held.
  void finish(const grpc::Status& status) {
    if (!std::exchange(finished_, true)) call_.finish(status);
  }

  Call& call_;
  const std::vector<std::string>& services_;
  Request request_;
  Response response_;
  std::mutex mutex_;
  bool writing_ = false;
  bool draining_ = false;
  bool finished_ = false;
  /// Goes first: it waits until drain() has returned.
  std::optional<std::stop_callback<std::function<void()>>> on_drain_;
};

template <class Generated>
class ReflectionService final : public rpc::Service {
 public:
  ReflectionService(std::vector<std::string> services, std::stop_token draining)
      : services_(std::move(services)), draining_(std::move(draining)) {
    methods_.push_back(
        rpc::method(api_, &Api::RequestServerReflectionInfo, [this](Questions::Call& call) {
          new Questions(call, services_, draining_);  // owns itself
        }));
  }
  grpc::Service& api() override { return api_; }

 private:
  using Api = typename Generated::AsyncService;
  Api api_;
  const std::vector<std::string> services_;
  const std::stop_token draining_;
};

}  // namespace

std::vector<std::unique_ptr<rpc::Service>> make_reflection_services(
    std::vector<std::string> services, std::stop_token draining) {
  services.emplace_back(reflection_v1::ServerReflection::service_full_name());
  services.emplace_back(reflection_v1alpha::ServerReflection::service_full_name());
  std::vector<std::unique_ptr<rpc::Service>> made;
  made.push_back(
      std::make_unique<ReflectionService<reflection_v1::ServerReflection>>(services, draining));
  made.push_back(std::make_unique<ReflectionService<reflection_v1alpha::ServerReflection>>(
      services, draining));
  return made;
}

}  // namespace weir::server
