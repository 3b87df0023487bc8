#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <weir/base/unique_function.hpp>

namespace weir {

/// A few threads that take tasks from one bounded queue, in order.
/// Threads: any. Destruction runs what is queued and waits for it; on one of its own threads (a
/// task held the last reference) that thread is let go instead, and ends when its task is done.
class Executor {
 public:
  struct Options {
    /// At least 1. Default 2.
    std::size_t threads = 2;
    /// Tasks that may wait. Default 65,536.
    std::size_t queue_max = 65'536;
    /// Tasks that a thread runs within one Batching scope when others wait behind the first. What
    /// they put off waits for the last of them, so one that may block calls Batching::flush()
    /// before it does. At least 1. Default 1: nothing is put off.
    std::size_t together_max = 1;
    /// Shown by tools such as top; at most 15 characters.
    const char* name = "weir";
  };

  explicit Executor(Options options);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// False when the queue is full (then the task is not taken).
  [[nodiscard]] bool post(UniqueFunction<void()> task);
  /// Takes the task even past queue_max: for completions, whose number is bounded elsewhere.
  void post_always(UniqueFunction<void()> task);

  std::size_t queue_depth() const;

 private:
  /// What the threads work on; they share it, since one may outlive the executor for a moment.
  struct Shared {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<UniqueFunction<void()>> tasks;
    bool stopping = false;
  };
  static void run(Shared& shared, std::size_t together_max);
  static void run_one(Shared& shared, std::unique_lock<std::mutex>& lock);

  const std::size_t queue_max_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::vector<std::thread> threads_;
};

}  // namespace weir
