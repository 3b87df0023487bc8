#pragma once

#include <weir/base/unique_function.hpp>

namespace weir {

/// While one is alive on a thread, what is worth doing once for several requests waits for its end:
/// a message is written, or a thread woken, when all of them have been taken. Scopes nest; the
/// outermost counts.
/// Not for anything that somebody on the same thread waits for meanwhile.
class Batching {
 public:
  Batching() { ++depth_; }
  ~Batching() {
    if (--depth_ == 0) run_put_off();
  }
  Batching(const Batching&) = delete;
  Batching& operator=(const Batching&) = delete;

  static bool active() { return depth_ > 0; }
  /// Runs `task` at the end of this thread's outermost scope, or at once when there is none. What
  /// it uses must live that long.
  static void at_end(UniqueFunction<void()> task);
  /// Runs now what this thread has put off: whoever waits for an answer says so first.
  static void flush();

 private:
  static void run_put_off();
  static thread_local int depth_;
};

}  // namespace weir
