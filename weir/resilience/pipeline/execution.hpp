#pragma once

#include <array>
#include <optional>

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
  /// Of the levels from `first` on, up to the next that runs beside its caller.
  Execution(const Core& core, Context& context, std::size_t first)
      : core_(core),
        context_(context),
        first_(first),
        end_(core.segment_end[first]),
        depth_(first) {}
  /// What it holds is given back; a call that was not finished counts as neither well nor failed.
  ~Execution() {
    if (depth_ > first_) abandon();
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  /// The first step; each of the others answers the step of its name.
  Step start();
  Step invoked(const Outcome& outcome);
  Step waited(bool to_the_end);
  Step granted(bool permit);
  Step replaced(const Outcome& outcome);

  /// At finish: what takes the place of the outcome, if anything does.
  std::optional<Error>& error() { return error_; }
  /// The level that invoke is about: core.levels.size() for the call itself.
  std::size_t end() const { return end_; }
  const std::stop_token& stop() const { return context_.caller_stop(); }

  /// For a level that runs beside: tells the listener.
  static void tell(const Core& core, const Context& context, Event event);

 private:
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

  Step go_in(std::size_t level);
  Step come_out(std::size_t level, Outcome outcome);
  /// Whether to go on inwards; if not, step_ or error_ says why.
  bool enter(std::size_t index);
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
  Step step_{Step::Do::invoke};
  std::array<Frame, strategies_max> frames_;
};

}  // namespace weir::resilience
