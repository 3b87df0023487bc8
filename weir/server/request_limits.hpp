#pragma once

#include <atomic>
#include <deque>
#include <mutex>

#include <weir/store/limits.hpp>

namespace weir::server {

/// What requests are held to instead of what the logs were opened with: it may change while the
/// server runs.
/// Threads: any.
class RequestLimits {
 public:
  /// Null: what the logs were opened with. Lives as long as this.
  const Limits* now() const { return now_.load(std::memory_order_acquire); }

  /// Requests that begin from now on are held to these.
  void replace(const Limits& limits) {
    const std::lock_guard lock(mutex_);
    if (!all_.empty() && all_.back() == limits) return;
    now_.store(&all_.emplace_back(limits), std::memory_order_release);
  }

 private:
  std::atomic<const Limits*> now_ = nullptr;
  std::mutex mutex_;  // guards the rest
  /// All that there have been, since requests under way refer to them. Few: each is the work of an
  /// operator.
  std::deque<Limits> all_;
};

}  // namespace weir::server
