#pragma once

#include <memory>
#include <string>
#include <vector>

#include <weir/gateway/path_template.hpp>
#include <weir/gateway/router.hpp>
#include <weir/gateway/stream_format.hpp>
#include <weir/gateway/upstream.hpp>

namespace weir::gateway {

/// One binding of a method to HTTP, as google.api.http declares it. A method may have several.
struct RestBinding {
  enum class Body : std::uint8_t { none, whole, field };

  const google::protobuf::MethodDescriptor* method = nullptr;
  /// "GET".
  std::string http_method;
  PathTemplate path;
  Body body = Body::none;
  /// For Body::field.
  const google::protobuf::FieldDescriptor* body_field = nullptr;
  StreamShape shape;
};

/// The bindings of a method, in order; none when it is not annotated.
/// Errors: invalid_argument naming the method and what its annotation gets wrong.
Result<std::vector<RestBinding>> rest_bindings(const google::protobuf::MethodDescriptor& method);

/// Builds the request message from path, query and body; path and query are checked against it.
/// Errors: invalid_argument naming the field or parameter.
Result<void> read_rest_request(const RestBinding& binding, const HttpRequest& request,
                               const PathTemplate::Bindings& path,
                               google::protobuf::Message& message);

/// Adds the binding's route. The upstream must outlive the router.
void add_rest_route(RestBinding binding, std::shared_ptr<Upstream> upstream, Router& router);

}  // namespace weir::gateway
