#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include <weir/base/result.hpp>

namespace weir::remote {

/// Lets whoever drops a call wait until gRPC is done with it, so that none outlives the program's
/// main(). What may be the last of a channel goes by let_go(), never in a reaction: gRPC's threads
/// end with the last channel, and one that waited for itself would abort the program.
/// Threads: any but a reaction, for wait().
class CallEnd {
 public:
  /// Held by every reaction while it runs.
  class Reacting {
   public:
    Reacting() { ++depth(); }
    ~Reacting() { --depth(); }
    Reacting(const Reacting&) = delete;
    Reacting& operator=(const Reacting&) = delete;
  };

  void set() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }

  bool ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  /// Whether this is a reaction.
  static bool reacting() { return depth() > 0; }

 private:
  static int& depth() {
    thread_local int reactions = 0;
    return reactions;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
};

/// For a call that waits for its answer. Errors: failed_precondition when this is a reaction, on
/// the one thread that could tell it.
Result<void> may_wait();

/// Destroys what waits for a call or may hold a channel: here, or on a thread of its own when this
/// is a reaction.
template <class T>
void let_go(T last) {
  if (CallEnd::reacting()) std::thread([last = std::move(last)] {}).detach();
}

}  // namespace weir::remote
