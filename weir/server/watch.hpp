#pragma once

#include <grpcpp/alarm.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include <weir/base/executor.hpp>
#include <weir/store/event_store.hpp>

namespace weir::server {

struct WatchOptions {
  /// Without news, an empty step is given this often. Absent: never.
  std::optional<std::chrono::milliseconds> heartbeat = std::nullopt;
  /// A step without events says when everything up to the head has been given. Default: it does
  /// not.
  bool markers = false;
};

/// Waits for a subscription's news without a thread: the subscription wakes it, or the alarm of the
/// heartbeat does.
/// Threads: any; one next() at a time.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  /// Its reads of the store run on `readers`.
  Watch(std::shared_ptr<EventStore> log, std::unique_ptr<Subscription> subscription,
        Executor& readers, WatchOptions options);

  using Ready = UniqueFunction<void(Result<SubscriptionStep>)>;
  /// Calls `ready` once with the next step, on any thread; not any more after close().
  void next(Ready ready);
  void close();

 private:
  using Found = Result<SubscriptionStep>;

  void start_poll();
  void poll();
  void woken();
  bool worth_telling(const SubscriptionStep& step);
  void beat();
  void deliver(std::unique_lock<std::mutex>& lock);

  std::shared_ptr<EventStore> log_;
  std::unique_ptr<Subscription> subscription_;
  Executor& readers_;
  const WatchOptions options_;

  std::mutex poll_mutex_;
  std::mutex mutex_;
  Ready ready_;
  std::optional<Found> found_;
  SubscriptionStep quiet_;
  bool told_caught_up_ = false;
  bool polling_ = false;
  bool woken_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace weir::server
