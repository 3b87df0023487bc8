#pragma once

#include <atomic>

namespace weir {

/// Opens once, for one thread that waits for it. It sleeps at once: std::atomic's wait() first
/// gives up its turn a few times, which is dear when many threads wait as long as a disk takes.
/// Threads: one waits, one opens. The waiter may destroy it as soon as wait() returns.
class Gate {
 public:
  void open();
  void wait();

 private:
  static constexpr int closed = 0, awaited = 1, opened = 2;
  std::atomic<int> state_ = closed;
  static_assert(sizeof(std::atomic<int>) == sizeof(int));
};

}  // namespace weir
