#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weir/sql/pool/replica_core.hpp>
#include <weir/sql/postgres/pool.hpp>

namespace weir::postgres {

struct ReplicasOptions {
  sql::ReplicaOptions limits = {};
  /// Of the pool that each replica gets. Its name is the replica's host; its role is replica.
  PoolOptions pool = {};
  /// Told when a host's standing changes, on a thread that asks hosts or reads; must be quick.
  /// Default: nobody.
  std::function<void(const std::string& host, const sql::ReplicaState& state)> listener = nullptr;
};

/// Which of a database's hosts are replicas that may be read from, and a pool of connections to
/// each of those. Every host is asked again and again how far it is, on a connection and a thread
/// of its own, so that one that hangs holds up nobody; sql::ReplicaCore decides. The role that
/// connects must be allowed to read pg_stat_wal_receiver (pg_read_all_stats): without it a replica
/// is left out, since nobody can tell what it follows. What it sees of primaries it tells Hosts, so
/// that the fail-over of a primary that hangs is noticed, even where replicas are not read from.
/// Threads: any. Must outlive what is borrowed of its pools.
class Replicas {
 public:
  /// `options.limits` must have passed check(), and so must those of the pool.
  Replicas(ReplicasOptions options, std::shared_ptr<Hosts> hosts, const Clock& clock);
  ~Replicas();
  Replicas(const Replicas&) = delete;
  Replicas& operator=(const Replicas&) = delete;

  /// Waits until each host has been asked once, or until then.
  void wait_until_asked(Instant until);

  /// The pool of a replica that may be read from, each in turn; null when there is none.
  Pool* choose();
  /// Reading from it failed: it is left out until it answers again.
  void failed(const Pool* pool, const Error& error);

  struct State {
    std::string host;
    sql::ReplicaState replica;
    /// Of its pool, once it has one.
    std::optional<sql::PoolState> pool = std::nullopt;
  };
  std::vector<State> states() const;

 private:
  void watch(std::size_t host, const std::stop_token& stop);
  /// Connects when `session` is empty, and asks.
  Result<void> ask(std::size_t host, std::unique_ptr<Session>& session,
                   const std::stop_token& stop);
  void provide_pool(std::size_t host);
  template <class Change>
  void change(Change change);
  void observe();

  const ReplicasOptions options_;
  const std::shared_ptr<Hosts> hosts_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  sql::ReplicaCore core_;
  /// Hosts that were asked at least once.
  std::size_t asked_ = 0;
  /// By host; null until the host has once been a replica.
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<std::unique_ptr<telemetry::Observed>> observed_;
  std::vector<std::jthread> threads_;
};

}  // namespace weir::postgres
