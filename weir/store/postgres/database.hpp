#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <weir/sql/postgres/pool.hpp>
#include <weir/sql/postgres/replicas.hpp>
#include <weir/store/engine/backend.hpp>
#include <weir/store/engine/terms.hpp>
#include <weir/store/health.hpp>
#include <weir/store/postgres/listener.hpp>

namespace weir::postgres {

struct DatabaseOptions {
  /// Shown in pg_stat_activity. Default "weir".
  std::string application_name = "weir";
  /// Further hosts of the database, "db2:5432", beside those that the URI names. At any moment one
  /// of all is the primary, and it is looked for again when it is no longer there.
  std::vector<std::string> hosts = {};
  /// Connections for reading. Each log that is written to takes one more, and listening for changes
  /// one.
  sql::PoolOptions readers = {.name = "readers"};
  /// When the hosts are several, long reads go to replicas that are not far behind, each with as
  /// many connections as `readers` has.
  sql::ReplicaOptions replicas = {};
  /// Told of every event of every pool, on the thread that caused it; must be quick. Default:
  /// nobody.
  std::function<void(const PoolEvent&)> pool_listener = nullptr;
  /// Told when a replica is left out and when it is back; must be quick. Default: nobody.
  std::function<void(const std::string& host, const sql::ReplicaState& state)> replica_listener =
      nullptr;
  /// Make the schema where there is none. Default true.
  bool create = true;
  /// How long opening may take; another process may be making the schema. Default 60 s.
  std::chrono::milliseconds open_time_max{60'000};
  /// How long connecting to one host may take. Default 5 s.
  std::chrono::milliseconds connect_time_max{5000};
  /// How long an append waits for the log's lock. Default 10 s.
  std::chrono::milliseconds lock_time_max{10'000};
  /// How long one round trip of an append may take besides. Default 30 s. The server frees the lock
  /// of a writer that has not been heard of for so long.
  std::chrono::milliseconds write_time_max{30'000};
  /// How long to try to find out whether a commit whose answer was lost took effect. Default 15 s.
  std::chrono::milliseconds settle_time_max{15'000};
  /// Of the statements.
  StatementReporting reporting = {};
};

/// A log's row.
struct LogRow {
  std::int32_t id = 0;
  std::uint64_t seed = 0;
  LogInfo info;
};

/// The logs in one PostgreSQL database, in its schema "weir". Any number of processes may share it.
/// Threads: any.
class Database : public std::enable_shared_from_this<Database> {
 public:
  /// Connects, and makes or migrates the schema.
  /// Errors: invalid_argument, naming the option; see migrate(), unavailable, deadline_exceeded.
  static Result<std::shared_ptr<Database>> open(const std::string& uri, DatabaseOptions options,
                                                const Clock& clock);
  ~Database();

  Result<std::vector<LogInfo>> list(const CallOptions& call);
  /// Errors: already_exists when it is there with other options; the same options are fine.
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         const CallOptions& call);

  /// A log as engine::Log wants it: its backend, and what makes its terms.
  struct Opened {
    std::unique_ptr<engine::Backend> backend;
    engine::TermHasher hasher;
  };
  /// Errors: not_found.
  Result<Opened> open_log(const std::string& name, const CallOptions& call);

  /// How the connections and the replicas stand, without asking a server: "store", "pool", and
  /// "replica HOST" for each that is not the primary.
  std::vector<HealthCheck> health() const;

  /// Connects anew, with no regard to the pools, and asks whether the database takes writes: false
  /// of a replica. Costs the server a connection; for finding out whether it is back.
  /// Errors: as of connecting.
  Result<bool> takes_writes(const CallOptions& call) const;

  // For the module's own use.

  /// Errors: not_found.
  Result<LogRow> find(const std::string& name, const CallOptions& call);

  /// Runs one statement on a reading connection; once more when the connection turns out to have
  /// died. Only for what may be repeated.
  Result<Rows> ask(const Call& call, const CallOptions& options);
  /// Null when there is but one host.
  Replicas* replicas() { return replicas_.get(); }
  const Hosts& hosts() const { return *hosts_; }
  /// Of the connections for reading from the primary.
  sql::PoolState readers() const { return readers_.state(); }
  const DatabaseOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }
  Listener& listener() { return listener_; }
  ConnectOptions writer_connection() const;

 private:
  Database(const std::string& uri, std::shared_ptr<Hosts> hosts, DatabaseOptions options,
           const Clock& clock);

  const std::string uri_;
  const std::shared_ptr<Hosts> hosts_;
  const DatabaseOptions options_;
  const Clock& clock_;
  Pool readers_;
  const std::unique_ptr<Replicas> replicas_;
  Listener listener_;
};

}  // namespace weir::postgres
