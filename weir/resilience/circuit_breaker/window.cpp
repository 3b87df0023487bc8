#include <weir/resilience/circuit_breaker/window.hpp>

#include <algorithm>
#include <bit>

#include <weir/base/assert.hpp>

namespace weir::resilience {
namespace {

// A slot: the ticket, then these.
constexpr std::uint64_t failed_bit = 1;
constexpr std::uint64_t slow_bit = 2;
constexpr int ticket_shift = 2;

CallCounts& operator+=(CallCounts& a, const CallCounts& b) {
  a.calls += b.calls;
  a.failures += b.failures;
  a.slow += b.slow;
  return a;
}

CallCounts& operator-=(CallCounts& a, const CallCounts& b) {
  a.calls -= b.calls;
  a.failures -= b.failures;
  a.slow -= b.slow;
  return a;
}

Instant::rep ticks(Instant at) {
  return at.time_since_epoch().count();
}

}  // namespace

TimeWindow::TimeWindow(Duration length) : slot_length_(length / slots_count) {}

void TimeWindow::fold() {
  const CallCounts more{.calls = successes_.take()};
  slots_[current_] += more;
  total_ += more;
}

void TimeWindow::roll(Instant now) {
  if (!due(now)) return;
  fold();
  const auto late = ticks(now) - due_.load(std::memory_order_relaxed);
  const auto slots = static_cast<std::uint64_t>(late / slot_length_.count()) + 1;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(slots, slots_count); ++i) {
    current_ = (current_ + 1) % slots_count;
    total_ -= slots_[current_];
    slots_[current_] = {};
  }
  // A window that stood empty for long begins anew at this call.
  const auto end = slots >= slots_count
                       ? ticks(later(now, slot_length_))
                       : due_.load(std::memory_order_relaxed) +
                             static_cast<Instant::rep>(slots) * slot_length_.count();
  due_.store(end, std::memory_order_relaxed);
}

void TimeWindow::count(bool failed, bool slow, Instant now) {
  roll(now);
  const CallCounts call{.calls = 1, .failures = failed ? 1u : 0u, .slow = slow ? 1u : 0u};
  slots_[current_] += call;
  total_ += call;
}

CallCounts TimeWindow::counts() const {
  CallCounts all = total_;
  all.calls += successes_.sum();
  return all;
}

void TimeWindow::reset() {
  successes_.take();
  slots_ = {};
  total_ = {};
  due_.store(0, std::memory_order_relaxed);
}

void TimeWindow::set_length(Duration length) {
  slot_length_ = length / slots_count;
}

CountWindow::Ring::Ring(std::size_t capacity)
    : mask(capacity - 1), slots(std::make_unique<std::atomic<std::uint64_t>[]>(capacity)) {}

CountWindow::CountWindow(int size) {
  WEIR_ASSERT(size > 0 && size <= size_max);
  rings_.push_back(std::make_unique<Ring>(std::bit_ceil(static_cast<std::size_t>(size))));
  rings_.back()->size = static_cast<std::uint64_t>(size);
  ring_ = rings_.back().get();
}

void CountWindow::forget(Ring& ring, std::uint64_t ticket) {
  auto& slot = ring.slot(ticket);
  auto outcome = slot.load();
  if (outcome == 0 || outcome >> ticket_shift != ticket) return;
  if (!slot.compare_exchange_strong(outcome, 0)) return;  // another thread was quicker
  if ((outcome & failed_bit) != 0) ring.failures.fetch_sub(1, std::memory_order_relaxed);
  if ((outcome & slow_bit) != 0) ring.slow.fetch_sub(1, std::memory_order_relaxed);
}

void CountWindow::count(bool failed, bool slow) {
  if (!failed && !slow) return succeed();
  Ring& ring = *ring_.load(std::memory_order_relaxed);
  const auto size = ring.size.load(std::memory_order_relaxed);
  const auto ticket = ring.head.fetch_add(1);
  forget(ring, ticket - size);
  // The slot's earlier call left long ago, but the thread that is to forget it may be held up.
  if (const auto earlier = ring.slot(ticket).load(); earlier != 0) {
    forget(ring, earlier >> ticket_shift);
  }
  if (failed) ring.failures.fetch_add(1, std::memory_order_relaxed);
  if (slow) ring.slow.fetch_add(1, std::memory_order_relaxed);
  ring.slot(ticket).exchange(ticket << ticket_shift | (failed ? failed_bit : 0) |
                             (slow ? slow_bit : 0));
  // Others may have made so many calls meanwhile that this one has left the window already: either
  // they see the outcome in its slot, or it is seen here that they were there.
  if (ring.head.load() > ticket + size) forget(ring, ticket);
}

CallCounts CountWindow::counts() const {
  const Ring& ring = *ring_.load(std::memory_order_relaxed);
  const auto made = ring.head.load(std::memory_order_relaxed) - ring.begin.load();
  const auto some = [](const std::atomic<std::int64_t>& count) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, count.load()));
  };
  return {.calls = std::min(made, ring.size.load(std::memory_order_relaxed)),
          .failures = some(ring.failures),
          .slow = some(ring.slow)};
}

void CountWindow::reset() {
  Ring& ring = *ring_.load(std::memory_order_relaxed);
  ring.begin = ring.head.load();
  for (std::uint64_t i = 0; i <= ring.mask; ++i) {
    forget(ring, ring.slot(i).load() >> ticket_shift);
  }
}

void CountWindow::set_size(int size) {
  Ring& old = *ring_.load(std::memory_order_relaxed);
  const auto wanted = static_cast<std::uint64_t>(size);
  const auto head = old.head.load();
  const auto kept = std::min({head - old.begin.load(), old.size.load(), wanted});
  if (wanted == old.size.load()) return;
  std::vector<std::uint64_t> outcomes;  // the oldest first
  for (auto i = kept; i > 0; --i) outcomes.push_back(old.slot(head - i).load());
  if (wanted <= old.mask + 1) {
    reset();
  } else {
    rings_.push_back(std::make_unique<Ring>(std::bit_ceil(wanted)));
  }
  Ring& ring = *rings_.back();
  ring.size = wanted;
  ring.begin = ring.head.load();
  ring_.store(&ring, std::memory_order_release);
  for (const auto outcome : outcomes) {
    count((outcome & failed_bit) != 0, (outcome & slow_bit) != 0);
  }
}

}  // namespace weir::resilience
