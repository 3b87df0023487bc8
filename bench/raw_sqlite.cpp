#include <bench/raw_sqlite.hpp>

#include <sqlite3.h>

#include <fmt/format.h>

#include <apps/weir/bench_load.hpp>

namespace weir::bench {
namespace {

constexpr std::size_t pool_size = 4096;

struct Row {
  std::string type, tags, data;
};

}  // namespace

struct RawSqlite::Parts {
  sqlite3* database = nullptr;
  sqlite3_stmt* begin = nullptr;
  sqlite3_stmt* insert = nullptr;
  sqlite3_stmt* end = nullptr;
  std::int64_t position = 0;
  std::vector<Row> pool;

  ~Parts() {
    for (auto* statement : {begin, insert, end}) sqlite3_finalize(statement);
    sqlite3_close(database);
  }

  Error failed() const {
    return unavailable(fmt::format("raw SQLite: {}", sqlite3_errmsg(database)));
  }

  Result<void> execute(const char* sql) {
    if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed();
    return {};
  }
  Result<void> prepare(const char* sql, sqlite3_stmt** statement) {
    if (sqlite3_prepare_v2(database, sql, -1, statement, nullptr) != SQLITE_OK) return failed();
    return {};
  }
  Result<void> run(sqlite3_stmt* statement) {
    const auto stepped = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (stepped != SQLITE_DONE) return failed();
    return {};
  }
};

RawSqlite::RawSqlite(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RawSqlite::~RawSqlite() = default;

Result<std::unique_ptr<RawSqlite>> RawSqlite::create(const std::string& path) {
  auto parts = std::make_unique<Parts>();
  if (sqlite3_open(path.c_str(), &parts->database) != SQLITE_OK) return parts->failed();
  for (const auto* setting :
       {"PRAGMA page_size=8192", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA cache_size=-65536", "PRAGMA wal_autocheckpoint=8192",
        "CREATE TABLE event (position INTEGER PRIMARY KEY, type TEXT, tags TEXT, data TEXT, "
        "id BLOB, occurred_at INTEGER, recorded_at INTEGER)"}) {
    WEIR_TRY(parts->execute(setting));
  }
  WEIR_TRY(parts->prepare("BEGIN IMMEDIATE", &parts->begin));
  WEIR_TRY(parts->prepare("INSERT INTO event VALUES (?,?,?,?,?,?,?)", &parts->insert));
  WEIR_TRY(parts->prepare("COMMIT", &parts->end));
  EventMaker maker({}, 0);
  for (std::size_t i = 0; i < pool_size; ++i) {
    auto event = maker.next();
    parts->pool.push_back({.type = event.type,
                           .tags = fmt::format(R"(["{}","{}"])", event.tags[0], event.tags[1]),
                           .data = event.data});
  }
  return std::unique_ptr<RawSqlite>(new RawSqlite(std::move(parts)));
}

Result<void> RawSqlite::commit(std::size_t events) {
  auto& p = *parts_;
  WEIR_TRY(p.run(p.begin));
  for (std::size_t i = 0; i < events; ++i) {
    const auto position = ++p.position;
    const auto& row = p.pool[static_cast<std::size_t>(position) % pool_size];
    const auto bind = [&](int column, const std::string& text) {
      sqlite3_bind_text(p.insert, column, text.data(), static_cast<int>(text.size()),
                        SQLITE_STATIC);
    };
    std::int64_t id[2] = {position, position * 31};
    sqlite3_bind_int64(p.insert, 1, position);
    bind(2, row.type);
    bind(3, row.tags);
    bind(4, row.data);
    sqlite3_bind_blob(p.insert, 5, id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_int64(p.insert, 6, 1'700'000'000'000'000 + position);
    sqlite3_bind_int64(p.insert, 7, 1'700'000'000'000'000 + position);
    WEIR_TRY(p.run(p.insert));
  }
  return p.run(p.end);
}

}  // namespace weir::bench
