#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/sql/pool/options.hpp>
#include <weir/sql/pool/replica_core.hpp>
#include <weir/store/event_store.hpp>
#include <weir/store/remote/credentials.hpp>
#include <weir/store/resilient/shield.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace weir {

struct OpenOptions {
  /// Name of the log. Default "default".
  std::string log = "default";
  /// Make an embedded store that is not there. Default true.
  bool create = true;
  /// What its log "default" is like when it is made. A server has its own.
  LogOptions default_log = {};
  /// What an embedded store takes. A server has its own.
  Limits limits = {};
  /// Appends, and bytes of their events, that may wait in an embedded store; past them the answer
  /// is resource_exhausted. Range 1 to 1,048,576, and 1 MiB to 16 GiB. Default 16,384 and 256 MiB.
  std::size_t queue_max = 16'384;
  std::size_t queue_bytes_max = 256 << 20;
  static constexpr std::size_t queue_highest = 1 << 20;
  static constexpr std::size_t queue_bytes_lowest = 1 << 20;
  static constexpr std::size_t queue_bytes_highest = std::size_t{16} << 30;
  /// For a server: TLS, and the token that this program is known by. Embedded stores have no use
  /// for it.
  remote::Credentials credentials = {};
  /// How long a server may take to answer at all. Default 5 s.
  std::chrono::milliseconds connect_timeout{5000};
  /// How long opening a PostgreSQL may take; another process may be making its schema. Default 60
  /// s.
  std::chrono::milliseconds open_timeout{60'000};
  /// Go on trying for so long while nobody listens at a server's address, or a PostgreSQL takes no
  /// connections. Default: fail at once.
  bool wait_until_up = false;
  /// Ends that waiting.
  std::stop_token stop = {};
  /// Of a PostgreSQL: connections for reading (each log that is written to takes one more, and
  /// listening for changes one), further hosts ("db2:5432") beside those that the URI names, and
  /// which of the replicas among them are read from.
  struct Postgres {
    sql::PoolOptions pool = {.name = "readers"};
    std::vector<std::string> hosts = {};
    sql::ReplicaOptions replicas = {};
  } postgres = {};
  /// Stands between an embedded store and its PostgreSQL, of one database. Default: one with the
  /// preset `production`.
  std::shared_ptr<resilient::Shield> shield = nullptr;
  /// Callbacks never block, wait for what this store does, nor drop it, so that they may run on the
  /// thread that writes, and several together on those that read: less work a call. Default false.
  bool callbacks_never_block = false;
  /// Told what an embedded store does; must outlive it. Default: nobody.
  StoreObserver* observer = nullptr;
  /// Of an embedded store's SQL statements; must outlive the store. Default: nobody is told.
  telemetry::Telemetry telemetry = {};
  /// Put the statements' texts into their spans. Default: no.
  bool statement_text = false;
};

/// Whether open_catalog() takes such an address; opens nothing. Errors: invalid_argument.
Result<void> check_store(std::string_view uri);

/// The logs at "sqlite:PATH" (embedded), "postgres://..." (embedded, over a PostgreSQL), or
/// "weir://HOST:PORT" (a server).
/// Errors: invalid_argument (what is not such an address, a limit outside of its range), and those
/// of opening it.
Result<std::shared_ptr<Catalog>> open_catalog(const std::string& uri, OpenOptions options = {});

/// One log there.
Result<std::shared_ptr<EventStore>> open(const std::string& uri, OpenOptions options = {});

/// The same, to read only: an append does not compile.
Result<std::shared_ptr<EventReader>> open_reader(const std::string& uri, OpenOptions options = {});

/// Prints the error to standard error, for the end of a main(): returns 1.
int fail(const Error& error);

}  // namespace weir
