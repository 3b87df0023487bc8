#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/sql/postgres/params.hpp>
#include <weir/sql/postgres/patience.hpp>
#include <weir/sql/postgres/rows.hpp>
#include <weir/sql/postgres/statement_report.hpp>

struct pg_conn;

namespace weir::postgres {

struct ConnectOptions {
  /// "postgres://user:password@host:port/database?..." or "host=... dbname=...", as libpq reads it.
  std::string uri;
  /// Shown in pg_stat_activity. Default "weir".
  std::string application_name = "weir";
  /// How long connecting may take. Default 5 s.
  std::chrono::milliseconds connect_time_max{5000};
  /// Settings of the session ("jit", "off"), applied once connected.
  std::vector<std::pair<std::string, std::string>> settings = {};
  /// Of its statements.
  StatementReporting reporting = {};
};

/// A statement and its values. The text is fixed; it must live until the answer is there.
struct Call {
  std::string_view text = {};
  Params params = {};
  /// Keep it prepared on the connection. Off for texts that are hardly ever seen again.
  bool prepare = true;
};

struct Notification {
  std::string channel;
  std::string payload;
  /// The server process whose transaction sent it.
  int sender = 0;
};

/// One connection to a PostgreSQL server. Statements are prepared the first time they are used, all
/// statements of a run() go out together and come back together.
/// Threads: one at a time; blocks the caller, never past its patience.
/// Errors: see error_of(); deadline_exceeded and cancelled when the patience ends, and then the
/// server is asked to stop the statement. After those and after any failure of the connection,
/// broken() holds and all further calls fail.
class Session {
 public:
  static Result<std::unique_ptr<Session>> connect(const ConnectOptions& options,
                                                  const Clock& clock, const Patience& patience);
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

  Session(pg_conn* connection, const Clock& clock, const StatementReporting& reporting);
  Result<void> finish_connecting(const Patience& patience);
  Result<void> apply(const ConnectOptions& options, const Patience& patience);
  Result<void> wait(Interest interest, const Patience& patience);
  Result<std::vector<Rows>> round_trip(std::span<const Call> calls, const Patience& patience);
  bool send(const Call& call, Answers& answers);
  Result<void> collect(Answers& answers, const Patience& patience);
  Result<void> settle(Answers& answers, Result<void> sent, const Patience& patience);
  Error break_off();

  std::unique_ptr<pg_conn, Close> connection_;
  const Clock& clock_;
  StatementReports reports_;
  StatementTarget target_;
  /// By text, the names of the statements that the server has prepared.
  std::map<std::string, std::string, std::less<>> prepared_;
  int stop_event_ = -1;
  bool broken_ = false;
};

}  // namespace weir::postgres
