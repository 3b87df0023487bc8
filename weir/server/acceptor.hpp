#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/server/line_budget.hpp>

namespace weir::server {

struct AcceptorOptions {
  /// HOST:PORT or [IPV6]:PORT; port 0 for any free one. A name is listened on at each of its
  /// addresses, 0.0.0.0 and [::] at all of this machine.
  std::string address;
  /// How long what was sent may be without an acknowledgement until the connection is given up.
  /// Default 20 s.
  std::chrono::milliseconds unacknowledged_max{20'000};
};

/// Listens, and takes connections in. gRPC 1.51's own listener takes nobody in any longer, until
/// the process ends, once accept() has failed; this one waits until there are descriptors again.
/// It leaves the last of them to the store: who would get one of those is turned away.
/// Threads: listen(), start() and stop() one at a time; `take` is called on a thread of its own.
class Acceptor {
 public:
  /// Given a connected socket that doesn't block, and is now its own.
  using Take = std::function<void(int socket)>;

  /// Listens when it returns. Clients wait until start().
  /// Errors: unavailable (the address can't be listened on), invalid_argument (it is none).
  static Result<std::unique_ptr<Acceptor>> listen(const AcceptorOptions& options);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// Once.
  void start(Take take);
  /// Listens no longer, and takes nobody in when it returns.
  void stop();

  std::uint16_t port() const { return port_; }

 private:
  Acceptor() = default;
  void run(const Take& take);
  bool accept_from(int listener, const Take& take);

  std::uint16_t port_ = 0;
  std::vector<int> listeners_;
  LineBudget lines_;
  /// Readable once it is to stop.
  int stopping_ = -1;
  std::thread thread_;
};

}  // namespace weir::server
