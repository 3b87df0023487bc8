#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include <weir/base/result.hpp>
#include <weir/resilience/core/duration.hpp>
#include <weir/resilience/core/stripes.hpp>

namespace weir::resilience {

struct BulkheadOptions {
  /// For events, descriptions and reloads. Default "bulkhead".
  std::string name = "bulkhead";
  /// Calls at once. Range 1 to 1,000,000. Default 25.
  int permits = 25;
  /// Calls that may wait for a permit, first come first served. Range 0 to 1,000,000. Default 0.
  int queue_max = 0;
  /// How long one waits at most; the call's deadline may be nearer. Ignored when queue_max is 0.
  /// Range 1 ms to 24 h. Default 1 s.
  Duration wait_max = std::chrono::seconds(1);
};

Result<void> check(const BulkheadOptions& options);

/// Bounds how many calls are under way, so that one slow thing does not take everything with it.
/// Permits, and a bounded fair queue of those who wait; how they wait is their own affair.
/// Threads: any. Taking and giving back a permit takes no lock while nobody waits.
class Bulkhead {
 public:
  /// One who waits. Owned by the one who waits, who keeps it until granted() was called or
  /// abandon() was true.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    /// The permit is its own. Called once, on the thread that gave a permit back; must be brief and
    /// not call the bulkhead.
    virtual void granted() = 0;

   private:
    friend class Bulkhead;
    Waiter* next_ = nullptr;
    Waiter* previous_ = nullptr;
    bool queued_ = false;
  };
  enum class Entry : std::uint8_t { admitted, queued, refused };

  static Result<std::unique_ptr<Bulkhead>> create(const BulkheadOptions& options);
  /// Takes other numbers; calls under way keep their permits, and those who wait their places.
  Result<void> reconfigure(const BulkheadOptions& options);

  /// Takes a permit if one is free and nobody waits.
  bool try_enter() {
    if (waiting_.load(std::memory_order_relaxed) != 0) return false;
    return take();
  }
  /// Takes a permit, or a place in the queue.
  Entry enter(Waiter& waiter);
  /// Leaves the queue. False when the permit was granted already.
  bool abandon(Waiter& waiter);
  /// Gives a permit back.
  void leave() {
    // Both sides are sequentially consistent: either this sees the one who begins to wait, or that
    // one sees this permit.
    free_.fetch_add(1);
    if (waiting_.load() != 0) hand_out();
  }

  int in_use() const;
  int waiting() const { return waiting_.load(std::memory_order_relaxed); }

 private:
  explicit Bulkhead(const BulkheadOptions& options);
  bool take() {
    int free = free_.load(std::memory_order_relaxed);
    while (free > 0) {
      if (free_.compare_exchange_weak(free, free - 1)) return true;
    }
    return false;
  }
  void hand_out();
  void unlink(Waiter& waiter);

  /// Less than 0 while more are under way than a reload left permits for.
  alignas(cache_line_bytes) std::atomic<int> free_;
  std::atomic<int> waiting_{0};
  mutable std::mutex mutex_;  // guards the rest
  int permits_;
  int queue_max_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

}  // namespace weir::resilience
