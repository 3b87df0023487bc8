#include <weir/base/gate.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weir {

void Gate::open() {
  // The waiter may be gone after this; waking an address where nobody sleeps does nothing.
  if (state_.exchange(opened, std::memory_order_acq_rel) != awaited) return;
  ::syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void Gate::wait() {
  int expected = closed;
  state_.compare_exchange_strong(expected, awaited, std::memory_order_acq_rel);
  // Sleeps only while the state is still `awaited`, and may wake for no reason.
  while (state_.load(std::memory_order_acquire) != opened) {
    ::syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, awaited, nullptr, nullptr, 0);
  }
}

}  // namespace weir
