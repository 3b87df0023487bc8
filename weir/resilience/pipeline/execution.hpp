#pragma once

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

#include <weir/resilience/core/context.hpp>
#include <weir/resilience/pipeline/core.hpp>

namespace weir::resilience {

/// What whoever runs a call is to do next.
struct Step {
  enum class Do : std::uint8_t {
    invoke,     // make the call (or run what lies beside), then invoked()
    again,      // waited(true) at once
    wait,       // until `until` or a stop, then waited()
    queue,      // for a permit of the bulkhead of `level`, until `until` or a stop, then granted()
    fall_back,  // run the fallback of `level`, then replaced()
    answer,     // run the chaos outcome of `level`, then replaced()
    finish,     // with error(), or else with the outcome of the last call or replacement
  };
  Do what;
  std::uint8_t level = 0;
  Instant until{};
};

/// One call on its way through the strategies of a pipeline, or of a part of it: a state machine
/// that does no I/O, runs nothing and never waits, so that blocking calls and coroutines share it.
/// The way is flat: in through the levels, out through them, and in again from a retry.
/// Threads: one at a time. `core` and `context` must outlive it.
class Execution {
 public:
  struct Retry {
    Retrying retrying;
    int outer_attempt;
  };
  struct Breaker {
    std::uint64_t word;
    std::uint64_t probe;
    Instant started;
  };
  struct Timeout {
    Instant outer;
    Instant own;
  };
  /// What a level remembers of this call. Only the member of its kind is ever set or read.
  union Frame {
    Frame() {}  // NOLINT: left as it is, for speed
    Retry retry;
    Breaker breaker;
    Timeout timeout;
    Instant started;
  };
  using Frames = std::array<Frame, strategies_max>;

  /// Of the levels from `first` on, up to the next that runs beside its caller.
  Execution(const Core& core, Context& context, std::size_t first)
      : core_(core),
        context_(context),
        first_(first),
        end_(core.segment_end[first]),
        depth_(first) {}
  /// Goes on where the quick way stopped, after `depth` levels: see enter_quickly().
  Execution(const Core& core, Context& context, const Frames& frames, std::size_t depth)
      : Execution(core, context, 0) {
    std::copy_n(frames.begin(), depth, frames_.begin());
    depth_ = depth;
  }
  /// What it holds is given back; a call that was not finished counts as neither well nor failed.
  ~Execution() {
    if (depth_ > first_) abandon();
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  /// The first step; each of the others answers the step of its name.
  [[gnu::always_inline]] Step start() {
    if (first_ == 0 && !may_start()) return {.what = Step::Do::finish};
    const std::size_t end = end_;
    for (std::size_t i = first_; i < end; ++i) {
      if (!enter_quickly(core_.hot[i], context_, frames_[i])) return go_in(i);
    }
    depth_ = end;
    return {.what = Step::Do::invoke};
  }
  Step invoked(const Outcome& outcome);
  Step waited(bool to_the_end);
  Step granted(bool permit);
  Step replaced(const Outcome& outcome);

  /// At finish: what takes the place of the outcome, if anything does.
  std::optional<Error>& error() {
    if (open_for_ > Duration::zero()) {
      error_ = circuit_is_open(std::exchange(open_for_, Duration::zero()));
    }
    return error_;
  }
  /// At finish: if not zero, the outermost circuit is open for so long, and that is all: error()
  /// makes an error of it, but need not.
  Duration open_for() const { return open_for_; }
  /// The level that invoke is about: core.levels.size() for the call itself.
  std::size_t end() const { return end_; }
  const std::stop_token& stop() const { return context_.caller_stop(); }

  /// The way of nearly every call that blocks, of a plain core, and without a deadline or a stop
  /// of its own: in through each level, the call, which succeeds, and out again, with nothing to
  /// decide and nobody told. Where a level can't be entered so, an Execution goes on at it; what
  /// can't be left so, leave_slowly() leaves.
  [[gnu::always_inline]] static bool enter_quickly(const HotLevel& level, Context& context,
                                                   Frame& frame);
  [[gnu::always_inline]] static bool leave_quickly(const HotLevel& level, const Frame& frame);
  static void leave_slowly(const Core& core, Context& context, const Frames& frames,
                           std::size_t level);
  /// The step at the level where the quick way stopped.
  Step go_on() { return go_in(depth_); }

  /// For a level that runs beside: tells the listener.
  static void tell(const Core& core, const Context& context, Event event);

 private:
  [[gnu::always_inline]] bool may_start() {
    if (!core_.wants_calls && context_.deadline_ == Instant::max() &&
        !context_.caller_stop().stop_possible()) {
      return true;
    }
    return look_before_start();
  }
  bool look_before_start();
  Step go_in(std::size_t level);
  Step come_out(std::size_t level, Outcome& outcome);
  Step come_out_failed(std::size_t level);
  /// Whether to go on inwards; if not, step_ or error_ says why.
  bool enter(std::size_t index);
  bool refused_quickly(std::size_t index);
  bool enter_circuit(const Level& level, Frame& frame);
  bool enter_bulkhead(const Level& level, std::size_t index);
  bool enter_shedding(const Level& level);
  bool enter_chaos(const Level& level, std::size_t index);
  void enter_timeout(const TimeoutOptions& options, Frame& frame);
  /// Whether to go on outwards; if not, step_ says why.
  bool leave(std::size_t index, Outcome& outcome);
  bool leave_retry(std::size_t index, const Outcome& outcome);
  bool leave_fallback(std::size_t index, const Outcome& outcome);
  void leave_breaker(const Level& level, const Frame& frame, const Outcome& outcome);
  void leave_timeout(const Level& level, const Frame& frame, Outcome& outcome);
  void leave_adaptive(const Level& level, const Frame& frame, const Outcome& outcome);
  bool reject(const Level& level, Error error);
  bool rejected(const Level& level);
  bool stop_at(Step step);
  void tell_change(const Level& level, const CircuitBreaker::Change& change);
  void tell_attempt(const Outcome& outcome);
  Step finish(const Outcome& outcome);
  Instant now_again();
  void abandon();
  bool gave_up(const Outcome& outcome) const;

  const Core& core_;
  Context& context_;
  const std::size_t first_;
  const std::size_t end_;
  std::size_t depth_;        // levels from first_ up to here were entered and not left
  std::size_t pending_ = 0;  // the level that the last step was about
  Instant began_{};          // only if the listener wants calls
  std::optional<Error> error_;
  Duration open_for_{};
  Step step_{Step::Do::invoke};
  Frames frames_;
};

inline bool Execution::enter_quickly(const HotLevel& level, Context& context, Frame& frame) {
  if (level.slow) return false;
  switch (level.kind) {
    case Kind::retry:
      new (&frame.retry) Retry{.retrying = Retrying(Instant{}), .outer_attempt = context.attempt_};
      context.attempt_ = 1;
      return true;
    case Kind::circuit_breaker: {
      auto& breaker = *static_cast<CircuitBreaker*>(level.machine);
      const auto word = breaker.admit_closed();
      if (!word || breaker.watches_time()) return false;
      if (breaker.needs_time()) breaker.roll(context.now());
      frame.breaker.word = *word;
      frame.breaker.probe = 0;
      return true;
    }
    case Kind::timeout:
      frame.timeout.outer = context.deadline_;
      frame.timeout.own = later(context.now(), level.after);
      if (frame.timeout.own < frame.timeout.outer) context.set_deadline(frame.timeout.own);
      return true;
    case Kind::bulkhead:
      return static_cast<Bulkhead*>(level.machine)->try_enter();
    case Kind::rate_limiter:
      return static_cast<RateLimiter*>(level.machine)->admit(context.now(), context.key()).admitted;
    default:
      return true;
  }
}

/// What a success means to a level; the context is not needed any more. False: leave() must do.
inline bool Execution::leave_quickly(const HotLevel& level, const Frame& frame) {
  switch (level.kind) {
    case Kind::retry:
      if (level.budget != nullptr) level.budget->succeeded();
      return true;
    case Kind::circuit_breaker: {
      auto& breaker = *static_cast<CircuitBreaker*>(level.machine);
      if (frame.breaker.probe != 0 || breaker.watches_time()) return false;
      breaker.succeed(frame.breaker.word);
      return true;
    }
    case Kind::bulkhead:
      static_cast<Bulkhead*>(level.machine)->leave();
      return true;
    case Kind::timeout:
    case Kind::rate_limiter:
    case Kind::fallback:
      return true;
    default:
      return false;
  }
}

}  // namespace weir::resilience
