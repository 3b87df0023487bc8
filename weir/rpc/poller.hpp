#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

namespace weir::rpc {

/// What a completion queue gives back when an operation is over. Lives until then.
class Tag {
 public:
  /// On the poller's thread; must not block. Not `ok`: what that means is the operation's to say.
  virtual void completed(bool ok) = 0;

 protected:
  ~Tag() = default;
};

/// A tag that calls a member of its owner.
template <class Owner, void (Owner::*completed_operation)(bool)>
class TagOf final : public Tag {
 public:
  explicit TagOf(Owner& owner) : owner_(owner) {}
  void completed(bool ok) override { (owner_.*completed_operation)(ok); }

 private:
  Owner& owner_;
};

/// A completion queue with one thread, on which everything happens that gRPC has to tell.
/// Why not gRPC's callbacks: those come on threads that wait for the same sockets, of which each
/// wakes the next before it does anything itself. With one thread, a call that is answered later
/// and elsewhere costs a server half as much processor time. For the same reason there is nothing
/// else in a server that waits for gRPC on a thread of its own.
/// What becomes ready together is told in one Batching scope.
class Poller {
 public:
  /// `name`: of its thread, at most 15 characters.
  Poller(std::unique_ptr<grpc::CompletionQueue> queue, const char* name);
  /// Waits for the calls that are under way; none may begin any more. Not on its own thread.
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  grpc::CompletionQueue& queue() { return *queue_; }
  /// Around everything that a call does with the queue; it ends on the poller's thread.
  void begin_call() { calls_.fetch_add(1, std::memory_order_relaxed); }
  void end_call() {
    if (calls_.fetch_sub(1, std::memory_order_acq_rel) == 1) calls_.notify_all();
  }

 private:
  void run(const char* name);

  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::atomic<std::size_t> calls_ = 0;
  std::thread thread_;
};

/// The one of this process's clients. Never goes: whatever is under way when the program ends, is.
Poller& client_poller();

}  // namespace weir::rpc
