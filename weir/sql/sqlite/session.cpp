#include <weir/sql/sqlite/session.hpp>

#include <algorithm>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <sqlite3.h>

#include <weir/base/assert.hpp>
#include <weir/sql/sqlite/preallocating_vfs.hpp>

namespace weir::sqlite {
namespace {

/// Virtual machine steps between two looks at whether a statement is still wanted: well below a
/// millisecond.
constexpr int steps_between_looks = 10'000;

std::string name_of_file(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

}  // namespace

Error sqlite_error(int code, std::string_view message, std::string_view doing) {
  const auto text = fmt::format("sqlite: {}: {} (code {})", doing, message, code);
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(text);
    case SQLITE_INTERRUPT:
      return cancelled();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
      return unavailable(text);
    default:
      return internal_bug(text);
  }
}

void Statement::finalize(sqlite3_stmt* statement) {
  sqlite3_finalize(statement);
}

void Statement::bind(int index, std::int64_t value) {
  WEIR_ASSERT(sqlite3_bind_int64(statement_.get(), index, value) == SQLITE_OK);
}

void Statement::bind_text(int index, std::string_view value) {
  // A null pointer would bind NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  WEIR_ASSERT(sqlite3_bind_text64(statement_.get(), index, data, value.size(), SQLITE_STATIC,
                                  SQLITE_UTF8) == SQLITE_OK);
}

void Statement::bind_blob(int index, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  WEIR_ASSERT(sqlite3_bind_blob64(statement_.get(), index, data, value.size(), SQLITE_STATIC) ==
              SQLITE_OK);
}

void Statement::bind_null(int index) {
  WEIR_ASSERT(sqlite3_bind_null(statement_.get(), index) == SQLITE_OK);
}

Result<bool> Statement::step() {
  if (!running_) {
    running_ = true;
    if (reports_ && StatementReports::wanted()) {
      run_ = reports_->begin(sqlite3_sql(statement_.get()));
    }
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  running_ = false;
  if (code == SQLITE_DONE) {
    run_.end();
    return false;
  }
  const int extended = sqlite3_extended_errcode(database_);
  auto error = sqlite_error(extended, sqlite3_errmsg(database_), sqlite3_sql(statement_.get()));
  run_.end(&error, extended);
  reset();
  return error;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  running_ = false;
  run_.end();
}

Result<void> Statement::run() {
  WEIR_TRY_ASSIGN(row, step());
  WEIR_ASSERT(!row);
  reset();
  return {};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  // The value itself, which sessions may look at since none has a mutex, saves every later call the
  // way by the statement. Its blob is the bytes of a text as they are, without a conversion.
  auto* value = sqlite3_column_value(statement_.get(), column);
  const auto* data = static_cast<const char*>(sqlite3_value_blob(value));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

bool Statement::is_text(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_TEXT;
}

void Session::close(sqlite3* database) {
  sqlite3_close_v2(database);
}

Result<Session> Session::open(const SessionOptions& options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create) flags |= SQLITE_OPEN_CREATE;
  const auto* vfs = options.preallocate_log ? preallocating_vfs(options.vfs) : options.vfs;
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(options.path.c_str(), &database, flags, vfs);
  Session session(database);
  if (code != SQLITE_OK) {
    std::string message = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
    const int system = database != nullptr ? sqlite3_system_errno(database) : 0;
    if (system != 0) message += ": " + std::generic_category().message(system);
    return sqlite_error(code, message, fmt::format("open '{}'", options.path));
  }
  if (options.reporting.telemetry.tracer != &telemetry::no_tracer()) {
    session.reports_ =
        std::make_shared<StatementReports>(options.reporting, name_of_file(options.path), database);
  }
  sqlite3_busy_timeout(database, static_cast<int>(options.busy_timeout.count()));
  const auto cache = fmt::format("PRAGMA cache_size=-{}", options.cache_kib);
  const auto ready = session.execute(cache.c_str());
  if (sqlite3_errcode(database) == SQLITE_NOTADB) {
    return damaged(
        fmt::format("'{}' is no SQLite database, or its beginning is damaged", options.path));
  }
  if ((sqlite3_errcode(database) & 0xFF) == SQLITE_READONLY) {
    return Error{.code = Code::permission_denied,
                 .message = fmt::format("'{}' or its folder can't be written by this user, and a "
                                        "store is written even to be read; read a copy of it",
                                        options.path)};
  }
  WEIR_TRY(ready);
  return session;
}

Result<Statement> Session::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return sqlite_error(code, sqlite3_errmsg(database_.get()), sql);
  return Statement(database_.get(), statement, reports_);
}

Result<void> Session::execute(const char* sql) {
  StatementReports::Run run;
  if (reports_ && StatementReports::wanted()) run = reports_->begin(sql);
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  const int extended = sqlite3_extended_errcode(database_.get());
  auto error = sqlite_error(extended, sqlite3_errmsg(database_.get()), sql);
  run.end(&error, extended);
  return error;
}

Result<std::int64_t> Session::query_integer(std::string_view sql) {
  WEIR_TRY_ASSIGN(statement, prepare(sql));
  WEIR_TRY_ASSIGN(row, statement.step());
  if (!row) return damaged(fmt::format("sqlite: no row for: {}", sql));
  return statement.integer(0);
}

void Session::set_interrupt(std::function<bool()> interrupted) {
  if (!interrupted) {
    sqlite3_progress_handler(database_.get(), 0, nullptr, nullptr);
    interrupted_.reset();
    return;
  }
  interrupted_ = std::make_unique<std::function<bool()>>(std::move(interrupted));
  sqlite3_progress_handler(
      database_.get(), steps_between_looks,
      [](void* asked) { return (*static_cast<std::function<bool()>*>(asked))() ? 1 : 0; },
      interrupted_.get());
}

void Session::on_commit(std::function<void(int wal_pages)> listener) {
  committed_ = std::make_unique<std::function<void(int)>>(std::move(listener));
  sqlite3_wal_hook(
      database_.get(),
      [](void* told, sqlite3*, const char*, int pages) {
        (*static_cast<std::function<void(int)>*>(told))(pages);
        return SQLITE_OK;
      },
      committed_.get());
}

void Session::set_busy_timeout(std::chrono::milliseconds timeout) {
  sqlite3_busy_timeout(database_.get(), static_cast<int>(timeout.count()));
}

Result<Session::Checkpoint> Session::checkpoint() {
  int in_wal = 0, copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             &in_wal, &copied);
  if (code == SQLITE_BUSY) return Checkpoint{.busy = true};
  if (code != SQLITE_OK) {
    return sqlite_error(code, sqlite3_errmsg(database_.get()), "checkpoint");
  }
  return Checkpoint{.pages = in_wal, .copied = copied};
}

Result<void> Session::checkpoint_whole() {
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE,
                                             nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  return sqlite_error(code, sqlite3_errmsg(database_.get()), "checkpoint");
}

Result<sqlite3_file*> Session::file() const {
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return sqlite_error(code, sqlite3_errstr(code), "find the file");
  return file;
}

Result<void> Session::sync_database_file() {
  WEIR_TRY_ASSIGN(database, file());
  const int code = database->pMethods->xSync(database, SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK) return sqlite_error(code, sqlite3_errstr(code), "sync");
  return {};
}

}  // namespace weir::sqlite
