#pragma once

#include <memory>
#include <string>

#include <weir/store/event_store.hpp>
#include <weir/store/remote/credentials.hpp>

namespace weir::remote {

struct ClientOptions {
  /// HOST:PORT of a server.
  std::string target;
  Credentials credentials = {};
  /// How long to wait for the first connection. Default 5 s.
  std::chrono::milliseconds connect_timeout{5000};
  /// Go on trying for so long while nobody listens there. Default: fail at once.
  bool wait_until_up = false;
};

/// The logs of a server. Appends and bounded reads go over one Session stream; whole reads and
/// subscriptions over streams of their own.
/// Threads: any.
/// Errors: unavailable when no connection comes about in time; invalid_argument naming a file of
/// the credentials; of calls also unauthenticated and permission_denied.
Result<std::shared_ptr<Catalog>> connect(const ClientOptions& options);

}  // namespace weir::remote
