#pragma once

#include <cstdint>

#include <weir/resilience/core/duration.hpp>

namespace weir::resilience {

/// What was seen of some calls.
struct LimitSample {
  /// Their mean round trip; more than 0.
  Duration round_trip;
  /// The most that were under way at once.
  int in_flight;
  /// Whether one failed in a way that tells of overload.
  bool dropped = false;
};

/// TCP Vegas for calls, as in Netflix's concurrency-limits (VegasLimit): compares the round trip
/// with the shortest seen, takes the difference for a queue, and keeps that queue short.
/// Threads: one at a time.
class Vegas {
 public:
  struct Options {
    double initial = 20;
    double max = 1000;
    /// The shortest round trip is measured anew after about this many samples times the limit.
    double probe_multiplier = 30;
  };
  explicit Vegas(const Options& options) : options_(options), limit_(options.initial) {}

  /// `chance`, from 0 up to 1, spreads the probes. Gives the new limit.
  double update(const LimitSample& sample, double chance);

 private:
  Options options_;
  double limit_;
  double shortest_ = 0;  // seconds; 0: none yet
  double samples_until_probe_ = 0;
};

/// Gradient2 of Netflix's concurrency-limits: the ratio of the long-term to the recent round trip
/// shrinks the limit; a small queue lets it grow. A drop takes a tenth besides.
/// Threads: one at a time.
class Gradient2 {
 public:
  struct Options {
    double initial = 20;
    double min = 20;
    double max = 200;
    double smoothing = 0.2;
    double queue = 4;
    double tolerance = 1.5;
    int long_window = 600;
  };
  explicit Gradient2(const Options& options) : options_(options), limit_(options.initial) {}

  double update(const LimitSample& sample);

 private:
  void learn(double round_trip);

  Options options_;
  double limit_;
  double long_term_ = 0;  // seconds
  int learnt_ = 0;
};

}  // namespace weir::resilience
