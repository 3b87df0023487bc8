#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include <weir/base/may_block.hpp>

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
///
/// With a stand-in, a thread that else sleeps, the poller's thread also does what may block and was
/// put off by MayBlock, when everything else is done. If that takes more than some milliseconds,
/// the stand-in goes on with the queue, and the two have changed places: still one at a time tells.
class Poller {
 public:
  enum class StandIn : bool { no, yes };

  /// `name`: of its threads, at most 15 characters.
  Poller(std::unique_ptr<grpc::CompletionQueue> queue, const char* name,
         StandIn stand_in = StandIn::no);
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
  bool poll();
  bool block(MayBlock& work);
  void stand_in(std::unique_lock<std::mutex>& lock);

  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::atomic<std::size_t> calls_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  /// One of the threads has the queue.
  bool taken_ = false;
  /// The queue is shut down and empty.
  bool over_ = false;
  /// The stand-in is there, and free.
  std::atomic<bool> may_block_ = false;
  /// The stand-in is to look every now and then.
  bool look_ = false;
  std::atomic<bool> looking_ = false;
  /// Which piece of work may be blocking the thread that has the queue; 0: none. Whoever sets it
  /// back has the queue from then on.
  std::atomic<std::uint64_t> blocking_ = 0;
  std::atomic<std::uint64_t> pieces_ = 0;

  std::thread thread_;
  std::thread other_thread_;
};

/// The one of this process's clients. Never goes: whatever is under way when the program ends, is.
Poller& client_poller();

}  // namespace weir::rpc
