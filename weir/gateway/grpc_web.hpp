#pragma once

#include <memory>

#include <weir/gateway/router.hpp>
#include <weir/gateway/upstream.hpp>

namespace weir::gateway {

/// Adds POST /package.Service/Method for gRPC-Web: application/grpc-web, application/grpc-web+proto
/// and the base64 form application/grpc-web-text. Unary methods and server streams; the status
/// always comes as the last frame of the body. Messages are passed on unread.
void add_grpc_web_route(const google::protobuf::MethodDescriptor& method,
                        std::shared_ptr<Upstream> upstream, Router& router);

}  // namespace weir::gateway
