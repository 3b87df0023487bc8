#pragma once

#include <condition_variable>
#include <mutex>

namespace weir::remote {

/// Lets whoever drops a call wait until gRPC is done with it, so that none outlives the program's
/// main(); but not on a thread of gRPC's own, which would then wait for itself.
/// Threads: any.
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
    if (depth() > 0) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }

 private:
  static int& depth() {
    thread_local int reactions = 0;
    return reactions;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
};

}  // namespace weir::remote
