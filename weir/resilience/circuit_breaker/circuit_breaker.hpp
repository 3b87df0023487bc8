#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <weir/resilience/circuit_breaker/window.hpp>
#include <weir/resilience/core/outcome.hpp>

namespace weir::resilience {

/// Why a circuit opens: for a generated break duration.
struct Break {
  CallCounts counts;
  /// Times it opened since it was last closed, this one among them.
  int breaks = 1;
};

struct CircuitBreakerOptions {
  /// For events, descriptions and reloads. Default "circuit_breaker".
  std::string name = "circuit_breaker";
  /// Share of failed calls in the window that opens the circuit. Range (0, 1]. Default 0.5;
  /// nothing: this does not open it.
  std::optional<double> failure_ratio = 0.5;
  /// Calls that must be in the window before a ratio counts. Range 1 to 1,000,000, at most
  /// window_calls. Default 20.
  int calls_min = 20;
  /// The sampling window by time. Ignored with window_calls. Range 100 ms to 24 h. Default 30 s.
  Duration window = std::chrono::seconds(30);
  /// The sampling window by count: the last so many calls. Range 1 to 65,536. Default: by time.
  std::optional<int> window_calls = {};
  /// Failures one after the other that open the circuit. Range 1 to 1,000,000. Default: none.
  std::optional<int> consecutive_failures = {};
  /// Share of calls slower than slow_call that opens the circuit. Range (0, 1]. Default: none. It
  /// makes each call read the clock once more.
  std::optional<double> slow_call_ratio = {};
  /// Ignored without slow_call_ratio. Range 1 ms to 24 h. Default 60 s.
  Duration slow_call = std::chrono::seconds(60);
  /// Probes that must succeed to close it. Range 1 to 100. Default 1.
  int successes_to_close = 1;
  /// Probes under way at once. Range 1 to 100. Default 1.
  int probes_max = 1;
  /// A probe without an answer for so long counts as failed. Range 1 ms to 24 h. Default 60 s.
  Duration probe_timeout = std::chrono::seconds(60);
  /// How long it stays open before it lets probes through. Range 1 ms to 24 h. Default 30 s.
  Duration open_for = std::chrono::seconds(30);
  /// Gives that duration instead; kept to 1 ms to 24 h. Must not throw. Default: open_for.
  std::function<Duration(const Break&)> open_for_generated = {};
  /// Counts and reports, but never opens by itself. Default false.
  bool metrics_only = false;
  /// What counts as failed. Default: errors by which the callee is unwell, and all exceptions.
  Handled handled = {};
};

Result<void> check(const CircuitBreakerOptions& options);

/// Stops calling what keeps failing, and tries carefully whether it has recovered.
///
///   closed -> open        a ratio or a row of failures reached its bound
///   open -> half_open     with the first call after the break, or by try_half_open(); up to
///                         probes_max calls run at once
///   half_open -> closed   successes_to_close probes succeeded
///   half_open -> open     a probe failed, or had no answer within probe_timeout
///   any -> isolated       isolate(); only close() or force_open() ends it
///
/// Every change begins a generation, and each admission carries its own: an answer to a call of an
/// earlier one changes nothing. A cancelled probe counts as neither, and makes room for another.
/// Use it in a pipeline; by itself it is a state machine that neither waits nor asks for the time.
/// Threads: any. Going through a closed circuit and succeeding takes no lock.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed = 0, open = 1, half_open = 2, isolated = 3 };
  enum class Verdict : std::uint8_t { success, failure, neither };

  /// A change of state, and what a listener is told of it.
  struct Change {
    std::optional<State> to;
    Duration open_for{};
    std::uint64_t generation = 0;
  };
  /// Whether a call may be made; to be given back with its verdict.
  struct Admission {
    bool admitted = false;
    std::uint64_t word = 0;   // the state and generation it was given in
    std::uint64_t probe = 0;  // not 0: a probe's number
    /// When refused: until the next probe or the next look from outside, whichever is sooner;
    /// nothing if nobody can tell.
    std::optional<Duration> retry_after = {};
    Change change = {};
    explicit operator bool() const { return admitted; }
  };
  struct Snapshot {
    State state = State::closed;
    CallCounts counts;
    int consecutive_failures = 0;
    int probes = 0;
    std::uint64_t generation = 0;
    std::optional<Instant> open_until = {};
    /// When open: as Admission::retry_after tells it.
    std::optional<Instant> retry_at = {};
    /// Whether admit() would refuse a call and do nothing else.
    bool refuses = false;
  };

  static Result<std::unique_ptr<CircuitBreaker>> create(const CircuitBreakerOptions& options);
  /// Takes other options and keeps state, window and generation; calls under way go on.
  Result<void> reconfigure(const CircuitBreakerOptions& options);

  Admission admit(Instant now);
  /// Once for each admission. `slow`: it took longer than slow_call.
  Change record(const Admission& admission, Verdict verdict, bool slow, Instant now);
  /// As above, of a call that was not slow. Handy in tests.
  Change record(const Admission& admission, Verdict verdict, Instant now) {
    return record(admission, verdict, false, now);
  }

  /// Refuses every call until close() or force_open().
  Change isolate();
  /// Closes it with an empty window.
  Change close();
  /// Opens it as if its bound had been reached: for open_for.
  Change force_open(Instant now);

  // For whoever finds out by other means than calls that the callee is back.

  /// Lets probes through before the break is over, if the circuit is still open in that generation:
  /// what was found out before it opened again says nothing about it.
  Change try_half_open(std::uint64_t generation);
  /// From now on somebody looks so soon after each opening: refusals tell of it when it is sooner
  /// than the break's end. 0: nobody does.
  void expect_look_after(Duration opening_to_look);
  /// When the next look is done, if the circuit is still open in that generation.
  void expect_look(std::uint64_t generation, Instant at);

  State state() const { return state_of(word_.load(std::memory_order_acquire)); }
  Snapshot snapshot(Instant now);

  // The fast way, for whoever runs calls. The four steps of a call: if needs_time(), roll(now);
  // admit_closed(); the call; succeed() - unless is_slow() has to be told.

  /// Nothing unless the circuit is closed: then admit(now) decides.
  std::optional<std::uint64_t> admit_closed() const {
    const auto word = word_.load(std::memory_order_acquire);
    if (state_of(word) != State::closed) return std::nullopt;
    return word;
  }
  /// While it is open: for how long yet. Zero: admit(now) decides.
  Duration open_for(Instant now) const {
    if (state() != State::open) return Duration::zero();
    const Instant until{Duration(open_until_.load(std::memory_order_relaxed))};
    return now < until ? retry_at(now) - now : Duration::zero();
  }
  /// Of a call that admit_closed() let through and that was not slow.
  void succeed(std::uint64_t word) {
    if (word_.load(std::memory_order_relaxed) != word) return;  // an answer from before a break
    switch (counting_.load(std::memory_order_relaxed)) {
      case Counting::by_time:
        by_time_.succeed();
        break;
      case Counting::by_count:
        by_count_.succeed();
        break;
      case Counting::none:
        break;
    }
    if (consecutive_.load(std::memory_order_relaxed) != 0) {
      consecutive_.store(0, std::memory_order_relaxed);
    }
  }
  bool needs_time() const { return counting_.load(std::memory_order_relaxed) == Counting::by_time; }
  void roll(Instant now) {
    if (by_time_.due(now)) roll_slowly(now);
  }
  /// Whether the time that calls take matters.
  bool watches_time() const { return slow_call_.load(std::memory_order_relaxed) > 0; }
  bool is_slow(Duration took) const {
    const auto limit = slow_call_.load(std::memory_order_relaxed);
    return limit > 0 && took.count() > limit;
  }

 private:
  enum class Counting : std::uint8_t { none, by_time, by_count };
  struct Probe {
    std::uint64_t number;
    Instant started;
  };

  explicit CircuitBreaker(const CircuitBreakerOptions& options);
  static State state_of(std::uint64_t word) { return static_cast<State>(word & 3); }
  void apply(const CircuitBreakerOptions& options);
  void roll_slowly(Instant now);
  Admission admit_probe(Instant now);
  bool record_closed(Verdict verdict, bool slow, Instant now);
  std::optional<State> record_probe(std::uint64_t probe, Verdict verdict);
  bool past_bounds() const;
  bool overdue(Instant now) const;
  /// What is left of a look that should have ended by now.
  static constexpr Duration overdue_look = std::chrono::milliseconds(50);
  /// Of an open circuit.
  Instant retry_at(Instant now) const {
    const Instant until{Duration(open_until_.load(std::memory_order_relaxed))};
    const auto look = look_at_.load(std::memory_order_relaxed);
    if (look == 0) return until;
    return std::min(until, std::max(Instant(Duration(look)), now + overdue_look));
  }
  CallCounts counts() const;
  Change turn(State to);
  Change open(Instant now, std::unique_lock<std::mutex>& lock);
  Change close_locked();

  alignas(cache_line_bytes) std::atomic<std::uint64_t> word_{0};  // generation * 4 + state
  std::atomic<Counting> counting_{Counting::none};
  std::atomic<int> consecutive_{0};
  std::atomic<Duration::rep> slow_call_{0};
  std::atomic<Instant::rep> open_until_{0};
  std::atomic<Instant::rep> look_at_{0};  // 0: nobody looks
  TimeWindow by_time_;
  CountWindow by_count_;

  std::mutex mutex_;  // guards the rest, and every change of word_
  CircuitBreakerOptions options_;
  Duration look_after_{};
  int breaks_ = 0;
  int probe_successes_ = 0;
  std::uint64_t last_probe_ = 0;
  std::vector<Probe> probes_;
};

/// "half_open".
std::string_view name_of(CircuitBreaker::State state);

/// What a call is refused with. `retry_after`: nothing if nobody can tell. Inline, and its message
/// lies within the string, so that it is written where it stays: refusing is quick.
[[gnu::always_inline]] inline Error circuit_is_open(std::optional<Duration> retry_after) {
  Error error{
      .code = Code::unavailable, .reason = Reason::circuit_open, .message = "circuit is open"};
  if (retry_after) error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*retry_after);
  return error;
}

}  // namespace weir::resilience
