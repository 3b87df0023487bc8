#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/sql/sqlite/statement_report.hpp>

struct sqlite3;
struct sqlite3_file;
struct sqlite3_stmt;

namespace weir::sqlite {

struct SessionOptions {
  std::string path;
  bool read_only = false;
  bool create = false;
  /// How long to wait for another process's lock. Default 5 s.
  std::chrono::milliseconds busy_timeout{5000};
  /// KiB of pages kept in memory. Default 16 MiB.
  int cache_kib = 16 * 1024;
  /// Name of a VFS other than the system's; for tests. Default: none.
  const char* vfs = nullptr;
  /// Statements become spans of what is being traced. Default: nobody is told.
  sql::StatementReporting reporting = {};
  /// The write-ahead log grows ahead of what is written (preallocating_vfs.hpp), for sessions that
  /// commit often. Default: it grows with each write.
  bool preallocate_log = false;
};

/// The error of a SQLite result code, with its message: busy and I/O errors are unavailable,
/// corruption is data_loss.
Error sqlite_error(int code, std::string_view message, std::string_view doing);

/// A prepared statement. Bound texts must live until reset().
/// Threads: its session's.
class Statement {
 public:
  /// `reports`: may be null.
  Statement(sqlite3* database, sqlite3_stmt* statement, std::shared_ptr<StatementReports> reports)
      : database_(database), statement_(statement, finalize), reports_(std::move(reports)) {}

  void bind(int index, std::int64_t value);
  void bind_text(int index, std::string_view value);
  void bind_blob(int index, std::string_view value);
  void bind_null(int index);

  /// True: a row is there; false: done. After an error the statement is reset.
  Result<bool> step();
  void reset();
  /// Steps to the end of a statement that gives no rows, and resets it.
  Result<void> run();

  std::int64_t integer(int column) const;
  /// Valid until the next step or reset.
  std::string_view text(int column) const;
  bool is_null(int column) const;
  bool is_text(int column) const;

 private:
  static void finalize(sqlite3_stmt* statement);
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, void (*)(sqlite3_stmt*)> statement_;
  std::shared_ptr<StatementReports> reports_;
  StatementReports::Run run_;  // goes before the statement does
  bool running_ = false;
};

/// One connection to a database file, in WAL mode.
/// Threads: one at a time.
class Session {
 public:
  /// Errors: not_found (no such file and not to be created), unavailable, data_loss (not a
  /// database).
  static Result<Session> open(const SessionOptions& options);

  Result<Statement> prepare(std::string_view sql);
  /// Runs statements without parameters or rows.
  Result<void> execute(const char* sql);
  Result<std::int64_t> query_integer(std::string_view sql);

  /// Asked now and then while a statement runs; true interrupts it. Null: never.
  void set_interrupt(std::function<bool()> interrupted);

  /// How long to wait for another process's lock from now on.
  void set_busy_timeout(std::chrono::milliseconds timeout);

  /// Called after each commit with the number of pages in the write-ahead log.
  void on_commit(std::function<void(int wal_pages)> listener);

  /// Copies what it can of the write-ahead log into the file without making anybody wait.
  /// What it found in it; what others add meanwhile is not counted.
  struct Checkpoint {
    int pages = 0;
    int copied = 0;     ///< all of them, unless a reader still needs the file as it was
    bool busy = false;  ///< another connection is at it, and nothing was done

    bool whole() const { return !busy && copied == pages; }
  };
  Result<Checkpoint> checkpoint();
  /// Copies all of it, so that the file alone is the database, on disk, and empties it. Waits for
  /// those in the way as long as the busy timeout says.
  /// Errors: unavailable (others are in the way; the disk).
  Result<void> checkpoint_whole();
  /// Has the disk take what was written to the database file itself. A checkpoint does so only when
  /// it has copied everything, so that after a long one beside a writer it all is still to come.
  Result<void> sync_database_file();

  sqlite3* handle() const { return database_.get(); }
  /// The database file as the VFS has it; goes with the session.
  Result<sqlite3_file*> file() const;

 private:
  explicit Session(sqlite3* database) : database_(database, close) {}
  static void close(sqlite3* database);

  std::unique_ptr<sqlite3, void (*)(sqlite3*)> database_;
  std::unique_ptr<std::function<bool()>> interrupted_;
  std::unique_ptr<std::function<void(int)>> committed_;
  std::shared_ptr<StatementReports> reports_;  // null: nobody is told
};

}  // namespace weir::sqlite
