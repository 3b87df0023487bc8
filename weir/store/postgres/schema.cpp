#include <weir/store/postgres/schema.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "migrations.hpp"

namespace weir::postgres {
namespace {

// Not to_regclass(): what it remembers may be older than the lock that was waited for.
constexpr std::string_view state_of_server =
    "SELECT current_setting('server_version_num')::int4, current_setting('server_encoding'),"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'weir'"
    " AND tablename = 'schema_version')";
constexpr std::string_view state_of_schema =
    "SELECT coalesce(max(version), 0)::int4 FROM weir.schema_version";
// The key is "weir" in ASCII. Held to the transaction's end, so a pooler does not mind.
const std::string lock =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(2003134834)";

Error precondition(Reason reason, std::string message) {
  return {.code = Code::failed_precondition, .reason = reason, .message = std::move(message)};
}

Result<int> version_of(Session& session, const Patience& patience) {
  WEIR_TRY_ASSIGN(server, session.execute(state_of_server, {}, patience));
  if (server.int4(0, 0) < 150000) {
    return precondition(Reason::not_supported,
                        fmt::format("PostgreSQL 15 or later is needed, the server is version {}",
                                    server.int4(0, 0) / 10000));
  }
  if (server.bytes(0, 1) != "UTF8") {
    return precondition(
        Reason::not_supported,
        fmt::format("the database's encoding must be UTF8, it is {}", server.bytes(0, 1)));
  }
  if (!server.boolean(0, 2)) return 0;
  WEIR_TRY_ASSIGN(schema, session.execute(state_of_schema, {}, patience));
  const auto version = schema.int4(0, 0);
  if (version <= schema_version()) return version;
  return precondition(
      Reason::schema_too_new,
      fmt::format("the database's schema 'weir' has version {}, and this program knows no later "
                  "one than {}: use a newer weir",
                  version, schema_version()));
}

Result<void> apply(Session& session, int from, const Patience& patience) {
  std::string script;
  for (const auto& migration : migrations()) {
    if (migration.version > from) script += fmt::format("{};\n", migration.sql);
  }
  for (int version = from + 1; version <= schema_version(); ++version) {
    script += fmt::format("INSERT INTO weir.schema_version (version) VALUES ({});\n", version);
  }
  return session.run_script(script + "COMMIT", patience);
}

}  // namespace

int schema_version() {
  int version = 0;
  for (const auto& migration : migrations()) version = std::max(version, migration.version);
  return version;
}

Result<void> migrate(Session& session, bool create, const Patience& patience) {
  WEIR_TRY_ASSIGN(before, version_of(session, patience));
  if (before == schema_version()) return {};
  if (before == 0 && !create) {
    return Error{.code = Code::not_found,
                 .reason = Reason::log_not_found,
                 .message = "the database has no schema 'weir', and so no log",
                 .details = {{"remedy", "the first append makes it, or: weir log create default"}}};
  }
  WEIR_TRY(session.run_script(lock, patience));
  // Another process may have been at it while this one waited.
  auto now = version_of(session, patience);
  if (now && *now < schema_version()) return apply(session, *now, patience);
  WEIR_TRY(session.run_script("ROLLBACK", patience));
  if (!now) return now.error();
  return {};
}

}  // namespace weir::postgres
