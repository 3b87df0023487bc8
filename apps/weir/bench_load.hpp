#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/store/event_store.hpp>

namespace weir::bench {

/// What is appended: events of 260 bytes of JSON, one of 20 types, with two tags of `tags`.
struct Workload {
  std::uint64_t tags = 100'000;
  /// Events that a decision reads of its boundary, and how many boundaries there are.
  std::uint64_t boundary_events = 25;
  std::uint64_t boundaries = 10'000;
  std::uint64_t seed = 1;
};

/// Makes the events of one client.
/// Threads: one at a time.
class EventMaker {
 public:
  EventMaker(const Workload& workload, std::uint64_t client);

  Event next();
  std::vector<Event> next(std::size_t count);
  /// An event of the boundary with this number.
  Event in_boundary(std::uint64_t number);
  std::uint64_t any_boundary();

 private:
  Workload workload_;
  std::mt19937_64 random_;
  std::string payload_;
};

std::string tag_of_boundary(std::uint64_t number);

/// Counts durations, with an error of at most 2 %, in a fixed space.
/// Threads: any.
class Latencies {
 public:
  void add(std::chrono::nanoseconds duration);
  std::uint64_t count() const;
  /// The duration that a share of all (0 to 1) did not exceed; 0 when there are none.
  std::chrono::nanoseconds at(double share) const;
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_.load()); }

 private:
  static constexpr int steps = 64;  ///< in each doubling
  static std::size_t slot_of(std::uint64_t nanoseconds);
  static std::uint64_t value_of(std::size_t slot);

  std::array<std::atomic<std::uint64_t>, steps * 60> slots_{};
  std::atomic<std::int64_t> max_ = 0;
};

/// What one operation did.
struct Outcome {
  std::uint64_t events = 0;
  /// The append condition failed.
  bool refused = false;
};

struct Load {
  std::size_t clients = 1;
  /// Time that is not counted, and time that is.
  std::chrono::duration<double> warm_up{1};
  std::chrono::duration<double> seconds{5};
};

struct Measured {
  std::chrono::duration<double> seconds{};
  std::uint64_t operations = 0;
  std::uint64_t events = 0;
  std::uint64_t refused = 0;
  Latencies latencies;

  double operations_per_second() const { return static_cast<double>(operations) / seconds.count(); }
  double events_per_second() const { return static_cast<double>(events) / seconds.count(); }
};

/// Begins one operation of a client.
using Operation = std::function<void(std::size_t client, Done<Outcome> done)>;
/// The same, waiting for its end.
using BlockingOperation = std::function<Result<Outcome>(std::size_t client)>;

/// How much of the time that counts there has been: all of it, unless it was cut short.
std::chrono::duration<double> counted(const Load& load, Instant counts_from, Instant now);

/// Keeps one operation of each client outstanding: as one ends, the next begins.
/// Errors: the first of an operation, which ends all of them; cancelled when `stop` fires, with
/// what has been measured until then.
Result<void> drive(const Load& load, const Operation& operation, const Clock& clock,
                   std::stop_token stop, Measured& measured);
/// The same with a thread for each client.
Result<void> drive_blocking(const Load& load, const BlockingOperation& operation,
                            const Clock& clock, std::stop_token stop, Measured& measured);

}  // namespace weir::bench
