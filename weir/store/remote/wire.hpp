#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace weir::remote {

/// A way to a server, and who takes it. A value.
struct Wire {
  std::shared_ptr<grpc::Channel> channel;
  /// "Bearer ..."; empty: nobody says who they are.
  std::string authorization = {};

  void authorize(grpc::ClientContext& context) const {
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  }
};

}  // namespace weir::remote
