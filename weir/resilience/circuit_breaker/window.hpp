#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <weir/resilience/core/duration.hpp>
#include <weir/resilience/core/stripes.hpp>

namespace weir::resilience {

/// What a window holds.
struct CallCounts {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  std::uint64_t slow = 0;

  bool operator==(const CallCounts&) const = default;
};

/// The calls of the last while, in ten slots; a slot leaves as a whole, so the window is between
/// nine and ten tenths of its length.
/// Threads: succeed() and due() any; the rest under the owner's lock.
class TimeWindow {
 public:
  static constexpr std::size_t slots_count = 10;

  explicit TimeWindow(Duration length);

  /// Counts a call that went well.
  void succeed() { successes_.add_one(); }
  /// Whether roll() has something to do.
  bool due(Instant now) const {
    return now.time_since_epoch().count() >= due_.load(std::memory_order_relaxed);
  }

  /// Lets go of the slots that are too old.
  void roll(Instant now);
  void count(bool failed, bool slow, Instant now);
  CallCounts counts() const;
  /// Forgets everything.
  void reset();
  void set_length(Duration length);

 private:
  void fold();

  Duration slot_length_;
  StripedCounter successes_;  // of the current slot
  std::array<CallCounts, slots_count> slots_{};
  std::size_t current_ = 0;
  CallCounts total_{};  // of all slots
  /// The current slot's end; at first, and after a reset, long past.
  alignas(cache_line_bytes) std::atomic<Instant::rep> due_{0};
};

/// The last n calls.
/// Threads: succeed() any; the rest under the owner's lock. Calls that end at the very moment in
/// which another thread resets the window may be in it or not.
class CountWindow {
 public:
  static constexpr int size_max = 65'536;

  explicit CountWindow(int size);

  void succeed() {
    Ring& ring = *ring_.load(std::memory_order_acquire);
    const auto leaving = ring.head.fetch_add(1) - ring.size.load(std::memory_order_relaxed);
    if (ring.slot(leaving).load() != 0) forget(ring, leaving);
  }

  void count(bool failed, bool slow);
  CallCounts counts() const;
  void reset();
  /// Keeps what is in the window, as far as the new one is long enough.
  void set_size(int size);

 private:
  /// A power of two of slots, so that finding one needs no division. A slot is 0 unless its call
  /// failed or was slow, so that a call that went well writes only the head. It holds the ticket
  /// of its call beside the outcome: a thread that was held up must not forget a later call's.
  struct Ring {
    explicit Ring(std::size_t capacity);
    std::atomic<std::uint64_t>& slot(std::uint64_t ticket) { return slots[ticket & mask]; }

    alignas(cache_line_bytes) std::atomic<std::uint64_t> head{0};
    alignas(cache_line_bytes) std::atomic<std::uint64_t> size{0};
    std::uint64_t mask;
    std::atomic<std::uint64_t> begin{0};  // the first ticket since the last reset
    std::atomic<std::int64_t> failures{0};
    std::atomic<std::int64_t> slow{0};
    std::unique_ptr<std::atomic<std::uint64_t>[]> slots;
  };

  /// Lets go of the outcome of the call with that ticket, if it is there.
  static void forget(Ring& ring, std::uint64_t ticket);

  std::atomic<Ring*> ring_;
  /// Those outgrown too, since a call may be looking at one; each is twice as long as the last.
  std::vector<std::unique_ptr<Ring>> rings_;
};

}  // namespace weir::resilience
