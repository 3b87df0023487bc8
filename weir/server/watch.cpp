#include <weir/server/watch.hpp>

namespace weir::server {

Watch::Watch(std::shared_ptr<EventStore> log, std::unique_ptr<Subscription> subscription,
             Executor& readers, WatchOptions options)
    : log_(std::move(log)),
      subscription_(std::move(subscription)),
      readers_(readers),
      options_(options) {}

void Watch::next(Ready ready) {
  std::unique_lock lock(mutex_);
  ready_ = std::move(ready);
  if (found_) return deliver(lock);
  if (!polling_) start_poll();
  if (!options_.heartbeat) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(std::chrono::system_clock::now() + *options_.heartbeat,
              [self = weak_from_this()](bool fired) {
                if (const auto watch = self.lock(); watch && fired) watch->beat();
              });
}

void Watch::close() {
  const std::lock_guard lock(mutex_);
  alarm_.reset();
  ready_ = nullptr;
}

// With the lock held.
void Watch::start_poll() {
  polling_ = true;
  readers_.post_always([self = shared_from_this()] { self->poll(); });
}

void Watch::poll() {
  const std::lock_guard polling(poll_mutex_);
  while (true) {
    auto polled = subscription_->poll([self = weak_from_this()] {
      if (const auto watch = self.lock()) watch->woken();
    });
    std::unique_lock lock(mutex_);
    if (polled && !*polled) {
      polling_ = woken_;
      if (!std::exchange(woken_, false)) return;
      continue;
    }
    if (polled && !worth_telling(**polled)) continue;
    polling_ = false;
    found_ = polled ? Found(std::move(**polled)) : Found(polled.error());
    return deliver(lock);
  }
}

void Watch::woken() {
  const std::lock_guard lock(mutex_);
  if (polling_) {
    woken_ = true;
  } else if (!found_) {
    start_poll();
  }
}

/// Events, and the news that there are no more of them for now. What else happened in the log
/// only moves the cursor, which the next heartbeat tells.
bool Watch::worth_telling(const SubscriptionStep& step) {
  const bool told = std::exchange(told_caught_up_, step.caught_up);
  quiet_ = {.batch = {}, .head = step.head, .cursor = step.cursor, .caught_up = step.caught_up};
  return !step.batch.empty() || (options_.markers && step.caught_up && !told);
}

void Watch::beat() {
  std::unique_lock lock(mutex_);
  if (!ready_ || found_) return;
  found_ = SubscriptionStep{
      .batch = {}, .head = quiet_.head, .cursor = quiet_.cursor, .caught_up = quiet_.caught_up};
  deliver(lock);
}

void Watch::deliver(std::unique_lock<std::mutex>& lock) {
  if (!ready_) return;
  auto ready = std::exchange(ready_, nullptr);
  auto found = std::move(*found_);
  found_.reset();
  alarm_.reset();
  lock.unlock();
  ready(std::move(found));
}

}  // namespace weir::server
