#include <weir/resilience/bulkhead/bulkhead.hpp>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

Result<void> check(const BulkheadOptions& options) {
  return Check(options.name)
      .in("permits", options.permits, 1, 1'000'000)
      .in("queue_max", options.queue_max, 0, 1'000'000)
      .in("wait_max", options.wait_max, 1ms, 24h)
      .result();
}

Result<std::unique_ptr<Bulkhead>> Bulkhead::create(const BulkheadOptions& options) {
  WEIR_TRY(check(options));
  return std::unique_ptr<Bulkhead>(new Bulkhead(options));
}

Bulkhead::Bulkhead(const BulkheadOptions& options)
    : free_(options.permits), permits_(options.permits), queue_max_(options.queue_max) {}

Result<void> Bulkhead::reconfigure(const BulkheadOptions& options) {
  WEIR_TRY(check(options));
  {
    const std::lock_guard lock(mutex_);
    free_.fetch_add(options.permits - permits_);
    permits_ = options.permits;
    queue_max_ = options.queue_max;
  }
  hand_out();
  return {};
}

Bulkhead::Entry Bulkhead::enter(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  if (first_ == nullptr && take()) return Entry::admitted;
  if (waiting_.load() >= queue_max_) return Entry::refused;
  waiter.previous_ = last_;
  waiter.next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = &waiter;
  last_ = &waiter;
  waiter.queued_ = true;
  waiting_.fetch_add(1);
  // A permit given back between the two may have been missed by its giver.
  if (first_ == &waiter && take()) {
    unlink(waiter);
    return Entry::admitted;
  }
  return Entry::queued;
}

bool Bulkhead::abandon(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  if (!waiter.queued_) return false;
  unlink(waiter);
  return true;
}

void Bulkhead::unlink(Waiter& waiter) {
  (waiter.previous_ == nullptr ? first_ : waiter.previous_->next_) = waiter.next_;
  (waiter.next_ == nullptr ? last_ : waiter.next_->previous_) = waiter.previous_;
  waiter.queued_ = false;
  waiting_.fetch_sub(1);
}

void Bulkhead::hand_out() {
  const std::lock_guard lock(mutex_);
  while (first_ != nullptr && take()) {
    Waiter& waiter = *first_;
    unlink(waiter);
    waiter.granted();
  }
}

int Bulkhead::in_use() const {
  const std::lock_guard lock(mutex_);
  return permits_ - free_.load();
}

}  // namespace weir::resilience
