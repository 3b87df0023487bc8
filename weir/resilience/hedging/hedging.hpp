#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/resilience/core/context.hpp>
#include <weir/resilience/core/outcome.hpp>
#include <weir/resilience/hedging/latency.hpp>

namespace weir::resilience {

struct HedgingOptions {
  /// For events, descriptions and reloads. Default "hedging".
  std::string name = "hedging";
  /// Attempts, the first among them. Range 2 to 10. Default 2.
  int attempts_max = 2;
  /// How long to wait for an answer before the next attempt; 0: all begin at once; nothing: only
  /// after a failure. Range 0 to 24 h. Default 2 s.
  std::optional<Duration> delay = std::chrono::seconds(2);
  /// Waits instead as long as this share of the calls did not exceed lately; `delay` until there
  /// are enough of them. Range (0, 1). Default: none.
  std::optional<double> percentile = {};
  /// Gives the delay instead, for the attempt of that number; less than 0: only after a failure.
  /// Must not throw.
  std::function<Duration(int attempt, const Context&)> delay_generated = {};
  /// What is no answer. Default: transient errors and all exceptions.
  Handled handled = {};
};

Result<void> check(const HedgingOptions& options);

/// Decides when to start which attempt, and which one's outcome is the call's: the first that is
/// not handled, or the last of all. A state machine of one call: neither runs anything nor waits.
/// Threads: one at a time.
class Hedge {
 public:
  enum class Act : std::uint8_t {
    start,   // the attempt `attempt`, then ask again
    wait,    // for an end, or until `until`
    finish,  // with the outcome of `attempt`
  };
  struct Action {
    Act act;
    /// From 1.
    int attempt = 0;
    Instant until = Instant::max();
  };
  /// The delay before the attempt of a number; nothing: only after a failure.
  using DelayOf = std::function<std::optional<Duration>(int attempt)>;

  Hedge(int attempts_max, DelayOf delay_of)
      : attempts_max_(attempts_max), delay_of_(std::move(delay_of)) {}

  Action next(Instant now);
  /// An attempt ended; `handled` when its outcome is no answer.
  void ended(int attempt, bool handled);
  /// Start no more, whatever comes.
  void start_no_more() { attempts_max_ = started_; }

  int started() const { return started_; }

 private:
  int attempts_max_;
  DelayOf delay_of_;
  int started_ = 0;
  int running_ = 0;
  std::optional<int> answered_;
  int last_failed_ = 0;
  bool failed_since_start_ = false;
  Instant next_start_ = Instant::max();
};

}  // namespace weir::resilience
