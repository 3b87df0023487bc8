#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/resilience/core/duration.hpp>
#include <weir/resilience/core/timers.hpp>

namespace weir::resilience {

/// Which calls are shed first.
enum class Priority : std::uint8_t { low, normal, high };

/// What the caller says of one call; everything may be left out.
struct Call {
  /// For events. Must outlive the call.
  std::string_view operation = {};
  /// Past it there are no more attempts. Strategies may only bring it nearer.
  std::optional<Instant> deadline = {};
  std::stop_token stop = {};
  /// On whose behalf: what a keyed rate limiter goes by. Must outlive the call.
  std::string_view key = {};
  Priority priority = Priority::normal;
};

/// A call of which nothing is said.
inline const Call& plain_call() {
  static const Call plain;
  return plain;
}

/// What a call is told about itself, down to the driver at the bottom.
/// Threads: the one that runs the attempt. Lifetime: the attempt.
class Context {
 public:
  /// All three must outlive it.
  Context(const Call& call, const Clock& clock, Timers& timers, int attempt = 1);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  std::string_view operation() const { return call_->operation; }
  std::string_view key() const { return call_->key; }
  Priority priority() const { return call_->priority; }
  /// From 1; of the innermost retry or hedging.
  int attempt() const { return attempt_; }

  /// The nearest of the caller's deadline and those of the timeouts around.
  std::optional<Instant> deadline() const;
  /// What is left until the deadline, at least 0; nothing without one. Reads the clock.
  std::optional<Duration> time_left() const;

  /// Stops when the caller does, and at the deadline. The first use within a timeout arms a timer;
  /// a call that never asks pays nothing.
  std::stop_token stop_token();
  /// Stops when the caller does; knows of no deadline.
  const std::stop_token& caller_stop() const { return call_->stop; }
  /// Whether the caller stopped, or the deadline passed. Reads the clock if there is one.
  bool stopped() const;
  /// Errors: cancelled, deadline_exceeded. For loops: `WEIR_TRY(context.check());`
  Result<void> check() const;

  /// The time as it was read once for this call, or since its last wait. Read now if not yet.
  Instant now();

 private:
  friend class Execution;
  struct Link;
  struct LinkDeleter {
    void operator()(Link* link) const;
  };

  bool caller_stopped() const { return call_->stop.stop_requested(); }
  void set_deadline(Instant deadline);
  /// The time has gone on since it was read.
  void forget_time() { time_known_ = false; }

  const Call* call_;
  const Clock* clock_;
  Timers* timers_;
  Instant deadline_;
  Instant now_{};
  std::unique_ptr<Link, LinkDeleter> link_;
  int attempt_;
  bool time_known_ = false;
};

[[gnu::always_inline]] inline Instant Context::now() {
  if (!time_known_) {
    now_ = clock_->instant();
    time_known_ = true;
  }
  return now_;
}

inline Context::Context(const Call& call, const Clock& clock, Timers& timers, int attempt)
    : call_(&call),
      clock_(&clock),
      timers_(&timers),
      deadline_(call.deadline.value_or(Instant::max())),
      attempt_(attempt) {}

inline void Context::set_deadline(Instant deadline) {
  if (deadline_ == deadline) return;
  deadline_ = deadline;
  if (link_) link_.reset();
}

}  // namespace weir::resilience
