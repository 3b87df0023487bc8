#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/sql/pool/options.hpp>
#include <weir/sql/postgres/canceller.hpp>
#include <weir/sql/postgres/hosts.hpp>
#include <weir/sql/postgres/params.hpp>
#include <weir/sql/postgres/patience.hpp>
#include <weir/sql/postgres/rows.hpp>
#include <weir/sql/postgres/statement_cache.hpp>
#include <weir/sql/postgres/statement_report.hpp>

struct pg_conn;

namespace weir::postgres {

/// What a server must be to be connected to.
enum class Role : std::uint8_t {
  any,
  primary,  ///< takes writes
  replica,  ///< in recovery
};

struct ConnectOptions {
  /// "postgres://user:password@host:port/database?..." or "host=... dbname=...", as libpq reads it;
  /// several hosts are tried one after the other.
  std::string uri;
  /// The hosts of the URI and what is known of them, for connections that share it. Default: those
  /// of the URI, in its order.
  std::shared_ptr<Hosts> hosts = nullptr;
  /// Connect only to a server that is this now. Default: any.
  Role role = Role::any;
  /// Shown in pg_stat_activity. Default "weir".
  std::string application_name = "weir";
  /// How long connecting to one host may take. Default 5 s.
  std::chrono::milliseconds connect_time_max{5000};
  /// How long a round trip may take. Past it the statement is cancelled on the server, and the
  /// connection can be used again. 0: as long as its caller's patience. Default 30 s.
  std::chrono::milliseconds command_timeout{30'000};
  /// How long to wait for a statement so cancelled to end; then the connection is broken. Default
  /// 2 s.
  std::chrono::milliseconds cancellation_timeout{2'000};
  /// How its socket finds out that the server's host has gone. What the URI says of it is stronger.
  sql::TcpOptions tcp = {};
  /// Which statements are kept prepared. Default: 10, from their second use on.
  StatementCache::Options prepare = {};
  /// Settings of the session ("jit", "off"), applied once connected.
  std::vector<std::pair<std::string, std::string>> settings = {};
  /// Of its statements.
  StatementReporting reporting = {};
};

/// A statement and its values. The text is fixed; it must live until the answer is there.
struct Call {
  std::string_view text = {};
  Params params = {};
  /// It may be kept prepared. Off for texts that are hardly ever seen again.
  bool prepare = true;
};

struct Notification {
  std::string channel;
  std::string payload;
};

/// One connection to a PostgreSQL server. All statements of a run() go out together and come back
/// together; those used often are kept prepared (StatementCache). TCP finds a host that has gone
/// (ConnectOptions::tcp). Of a database with several hosts, a connection is broken, whatever it
/// waits for, once another host has been found to be the primary of a later timeline: see Hosts.
/// Threads: one at a time; blocks the caller, never past its patience.
/// Errors: see error_of(); deadline_exceeded and cancelled when the patience ends, and then the
/// server is asked, behind the caller's back, to stop the statement. After those and after any
/// failure of the connection, broken() holds and all further calls fail. A statement that the
/// command timeout ended is deadline_exceeded too, and leaves a connection that can be used.
class Session {
 public:
  /// Tries the hosts one after the other until one is what it must be.
  /// Errors: invalid_argument (the URI), unavailable (no host can be reached, or none has the
  /// role), unauthenticated and whatever else a server refuses a connection with.
  static Result<std::unique_ptr<Session>> connect(const ConnectOptions& options, const Clock& clock,
                                                  const Patience& patience);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Result<Rows> execute(std::string_view text, const Params& params = {},
                       const Patience& patience = {});
  /// One round trip. Outside a transaction the calls are one. The first that fails ends the run;
  /// its error is the answer.
  Result<std::vector<Rows>> run(std::span<const Call> calls, const Patience& patience);
  /// Statements without values, separated by semicolons; of our own making.
  Result<void> run_script(const std::string& script, const Patience& patience);

  /// Waits for notifications of the channels that LISTEN named; gives those that are there.
  Result<std::vector<Notification>> wait_for_notifications(const Patience& patience);

  /// Undoes what the session was told to keep (DISCARD ALL, which a pooler must let through), and
  /// applies the settings it was made with.
  Result<void> reset(const Patience& patience);

  /// Whether the other end has closed the connection or the host is known to have gone, or to have
  /// been replaced. Looks at the socket alone, without a round trip: a server that hangs is not
  /// seen. It is broken then.
  bool lost();
  /// A transaction is open.
  bool in_transaction() const;
  /// Something was changed that outlives a transaction: SET, LISTEN, PREPARE, DECLARE, a temporary
  /// table, a script. What a SELECT leaves behind (set_config, advisory locks) is not seen.
  bool changed() const { return changed_; }
  /// The server ended the connection by itself or refused to write: see server_is_leaving().
  bool server_left() const { return server_left_; }
  /// Where it leads to.
  const StatementTarget& target() const { return target_; }

  /// The connection is of no further use, and whether the last run took effect is unknown. While
  /// it is not broken, a run that failed outside a transaction has changed nothing.
  bool broken() const { return broken_; }
  /// The number of the server process.
  int process() const;

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  class Answers;
  enum class Interest { read, write, both };

  /// How a run is bounded.
  struct Bounds {
    Patience patience;
    bool by_command_timeout = false;
  };

  Session(pg_conn* connection, const ConnectOptions& options, const Clock& clock);
  static Result<std::unique_ptr<Session>> connect_to(const Hosts& hosts, std::size_t index,
                                                     const ConnectOptions& options,
                                                     const Clock& clock, const Patience& patience);
  Result<void> finish_connecting(const Patience& patience);
  Error refused();
  /// With `of_several` hosts a primary's timeline is asked for, too.
  Result<void> check_role(Role role, bool of_several, const Patience& patience);
  Result<void> apply_settings(const Patience& patience);
  Result<void> wait(Interest interest, const Patience& patience);
  Result<std::vector<Rows>> round_trip(std::span<const Call> calls, const Patience& patience);
  /// Whether at least one of a run's statements was executed, and one went by a prepared name.
  struct Tried {
    bool executed = false;
    bool by_name = false;
  };
  Result<std::vector<Rows>> try_round_trip(std::span<const Call> calls, const Patience& patience,
                                           Tried& tried);
  bool send(const Call& call, Answers& answers);
  bool send_unprepared(std::string_view text, const Params& params);
  Bounds bounds(const Patience& patience) const;
  Result<void> collect(Answers& answers, const Patience& patience);
  Result<void> settle(Answers& answers, Result<void> sent, const Patience& patience);
  Result<void> stop_statement(Answers& answers, const Patience& patience);
  std::shared_ptr<Canceller::Sent> ask_to_stop();
  Error break_off();
  Error replaced();

  std::unique_ptr<pg_conn, Close> connection_;
  const Clock& clock_;
  const std::chrono::milliseconds command_timeout_;
  const std::chrono::milliseconds cancellation_timeout_;
  const std::vector<std::pair<std::string, std::string>> settings_;
  StatementReports reports_;
  StatementTarget target_;
  StatementCache statements_;
  int stop_event_ = -1;
  /// Stopped when another host has taken this one's place.
  std::stop_token replaced_;
  /// Of a primary among several hosts; 0: not known.
  std::uint32_t timeline_ = 0;
  /// A warning came since the last result: it belongs to the next.
  bool warned_ = false;
  bool broken_ = false;
  bool changed_ = false;
  bool server_left_ = false;
};

}  // namespace weir::postgres
