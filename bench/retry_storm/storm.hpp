#pragma once

#include <optional>
#include <string>
#include <vector>

#include <weir/resilience/core/duration.hpp>

namespace weir::bench {

/// How clients behave when a call fails.
struct StormClients {
  std::string name;
  int attempts_max = 3;
  bool jitter = false;
  bool budget = false;
  bool breaker = false;
  bool adaptive_limit = false;
};

/// Clients that call one service, which for a while can do less than they ask for.
/// Clients of one process share its retry budget, circuit breaker and adaptive limit.
struct StormOptions {
  int clients = 100'000;
  int processes = 100;
  /// Between a client's calls, on average.
  resilience::Duration pause = std::chrono::seconds(20);
  /// After which a client takes an attempt for failed; the service works on it all the same.
  resilience::Duration timeout = std::chrono::seconds(1);
  /// Calls the service answers in a second; the share of it that is left while it is slow.
  double capacity = 8'000;
  double slow_share = 0.25;
  resilience::Duration slow_from = std::chrono::seconds(30);
  resilience::Duration slow_until = std::chrono::seconds(60);
  resilience::Duration length = std::chrono::seconds(180);
  /// Calls that wait in the service; more are refused.
  std::size_t queue_max = 20'000;
  std::uint64_t seed = 1;
};

/// What happened, second by second.
struct StormSeconds {
  std::vector<double> begun;     // calls that clients began
  std::vector<double> sent;      // attempts that reached the service
  std::vector<double> answered;  // calls that were answered in time
};

struct StormOutcome {
  StormSeconds seconds;
  /// Attempts for each call begun, while the service was slow and after.
  double amplification = 0;
  /// Share of the calls begun while it was slow that were answered.
  double answered_while_slow = 0;
  /// From the end of the slowness until 95 % of calls are answered again, for five seconds.
  std::optional<resilience::Duration> recovered_after;
};

/// Simulates it on a clock of its own: the same options give the same outcome.
StormOutcome simulate(const StormOptions& options, const StormClients& clients);

/// The ways of behaving that the chart compares.
std::vector<StormClients> storm_clients();

}  // namespace weir::bench
