#pragma once

#include <vector>

#include <weir/base/unique_function.hpp>

namespace weir {

/// On the stack of a thread that does what may block once it is through with everything else,
/// because another thread stands in for it meanwhile. What comes in on such a thread then need not
/// be handed to one that may wait for a disk, which would have to wake up first. One at a time.
/// Threads: its own.
class MayBlock {
 public:
  MayBlock() { current_ = this; }
  ~MayBlock() { current_ = nullptr; }
  MayBlock(const MayBlock&) = delete;
  MayBlock& operator=(const MayBlock&) = delete;

  /// What comes in during its life may be put off, if `alone` says that nobody else waits for
  /// anything that the thread would do meanwhile. On the stack only.
  class Allowed {
   public:
    explicit Allowed(bool alone) : here_(alone ? current_ : nullptr) {
      if (here_ != nullptr) here_->allowed_ = true;
    }
    ~Allowed() {
      if (here_ != nullptr) here_->allowed_ = false;
    }
    Allowed(const Allowed&) = delete;
    Allowed& operator=(const Allowed&) = delete;

   private:
    MayBlock* const here_;
  };

  /// Whether this thread takes such work now.
  static bool here() { return current_ != nullptr && current_->allowed_; }
  /// Whether it has such work already.
  static bool pending() { return here() && !current_->tasks_.empty(); }
  /// For run(). Only where here() says so; what it uses must live until then.
  static void put_off(UniqueFunction<void()> task);

  bool empty() const { return tasks_.empty(); }
  /// Does what was put off, in order.
  void run();

 private:
  static thread_local MayBlock* current_;
  std::vector<UniqueFunction<void()>> tasks_;
  bool allowed_ = false;
};

}  // namespace weir
