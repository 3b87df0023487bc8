#pragma once

#include <map>
#include <mutex>
#include <vector>

#include <weir/resilience/core/duration.hpp>
#include <weir/resilience/core/timers.hpp>

namespace weir::resilience {

/// A clock that stands still until it is moved, and timers that never wait: wait() moves the clock
/// to its end. Use it as `pipeline(…).time(fake, fake)`.
/// Threads: any.
class FakeTime final : public Clock, public Timers {
 public:
  /// Begins an hour after the clock's beginning; on the wall, at 2020-01-01T00:00:00Z.
  FakeTime() = default;

  Timestamp now() const override;
  Instant instant() const override;

  /// Moves the clock, and fires what is due on the way.
  void advance(Duration by);
  /// How long each wait() was to be.
  std::vector<Duration> waits() const;
  /// How often the clock was read.
  int reads() const;

  bool wait(Instant until, const std::stop_token& stop) override;
  std::unique_ptr<Armed> stop_at(Instant at, std::stop_source source) override;
  bool blocks() const override { return false; }

 private:
  struct Due;
  void advance_to(Instant to);

  mutable std::mutex mutex_;
  const Instant began_{std::chrono::hours(1)};
  Instant now_ = began_;
  mutable int reads_ = 0;
  std::vector<Duration> waits_;
  std::multimap<Instant, std::stop_source> due_;
};

}  // namespace weir::resilience
