#pragma once

#include <memory>

#include <apps/weir/bench_api.hpp>
#include <apps/weir/bench_load.hpp>

namespace weir::bench {

/// What each client appends, and under what condition.
struct AppendLoad {
  std::size_t batch = 1;
  /// That no event with the first tag has been appended since the client's last append.
  bool condition = false;
};

/// Appends of many clients. A refused one counts as an operation without events.
/// Threads: those of drive(). Must outlive the operations.
class Appends {
 public:
  Appends(Api& api, const Workload& workload, std::size_t clients, AppendLoad load, Position head);

  void begin(std::size_t client, Done<Outcome> done);
  Result<Outcome> run(std::size_t client);

 private:
  struct Client {
    EventMaker maker;
    Position seen;
  };
  AppendRequest next(Client& client);
  Result<Outcome> take(Client& client, const Result<Position>& appended);

  Api& api_;
  const AppendLoad load_;
  std::vector<Client> clients_;
};

/// Decisions of many clients, as a command handler makes them: read a boundary, then append an
/// event of it on condition that nothing in it has been appended since. Each adds to its boundary,
/// so they read the newest events of it alone, as a handler with a snapshot does: however many were
/// made before, and however fast, every one reads the same number.
/// Threads: those of drive(). Must outlive the operations.
class Decisions {
 public:
  Decisions(Api& api, const Workload& workload, std::size_t clients);

  /// Learns where the newest events of each boundary begin. Before any decision.
  Result<void> find_boundaries();
  void begin(std::size_t client, Done<Outcome> done);
  /// Events that the decisions found in their boundaries, together.
  std::uint64_t events_read() const { return events_read_; }

 private:
  void take(std::uint64_t number, const Boundary& boundary);
  void append(std::size_t client, std::uint64_t number, Position head, Done<Outcome> done);

  Api& api_;
  const Workload workload_;
  std::vector<EventMaker> makers_;
  /// By boundary: past which position its next decision reads.
  std::vector<std::atomic<std::uint64_t>> read_after_;
  std::atomic<std::uint64_t> events_read_ = 0;
};

/// Appends until the log has so many events. `on_progress` is told how many it has.
Result<void> preload(Api& api, const Workload& workload, std::uint64_t events,
                     const std::function<void(std::uint64_t)>& on_progress);
/// Fills all boundaries, spread over the log, unless they are there.
Result<void> preload_boundaries(Api& api, const Workload& workload);

/// Each client reads the whole log again and again. Operations are reads begun; latencies are the
/// times to the first event.
Result<void> read_everything(Api& api, const Load& load, std::size_t batch, const Clock& clock,
                             std::stop_token stop, Measured& measured);

/// Appends with so many live subscribers, one append after the other. Latencies are the times from
/// an append's beginning until the last subscriber has it.
Result<void> notify_subscribers(Api& api, const Workload& workload, const Load& load,
                                std::size_t batch, const Clock& clock, std::stop_token stop,
                                Measured& measured);

}  // namespace weir::bench
