#include <weir/store/sqlite/backup.hpp>

#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <sqlite3.h>

#include <weir/store/sqlite/file.hpp>
#include <weir/store/sqlite/unfinished_file.hpp>

namespace weir::sqlite {
namespace {

constexpr int pages_per_step = 1024;

Result<void> copy_pages(Session& from, Session& to, const OnCopied& on_copied) {
  auto* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (backup == nullptr) {
    return sqlite_error(sqlite3_extended_errcode(to.handle()), sqlite3_errmsg(to.handle()),
                        "backup");
  }
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = sqlite3_backup_step(backup, pages_per_step);
    const auto all = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup));
    on_copied(all - static_cast<std::uint64_t>(sqlite3_backup_remaining(backup)), all);
  }
  sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return sqlite_error(code, sqlite3_errstr(code), "backup");
  return {};
}

Event event_of(const EventView& view) {
  return {.id = view.id(),
          .type = std::string(view.type()),
          .tags = {view.tags().begin(), view.tags().end()},
          .data = std::string(view.data()),
          .content_type = std::string(view.content_type()),
          .metadata = view.metadata(),
          .occurred_at = view.occurred_at()};
}

}  // namespace

Result<void> backup_file(const std::string& path, const std::string& destination,
                         const OnCopied& on_copied) {
  if (!std::filesystem::exists(path)) {
    return Error{.code = Code::not_found,
                 .reason = Reason::log_not_found,
                 .message = fmt::format("there is no store at '{}'", path)};
  }
  WEIR_TRY_ASSIGN(unfinished, UnfinishedFile::create(destination));
  {
    WEIR_TRY_ASSIGN(from, Session::open({.path = path}));
    // A read transaction of its own holds the moment: writers need not wait, and do not disturb.
    WEIR_TRY(from.execute("BEGIN"));
    WEIR_TRY(from.query_integer("SELECT count(*) FROM meta"));
    WEIR_TRY_ASSIGN(to, Session::open({.path = unfinished->path(), .create = true}));
    WEIR_TRY(to.execute("PRAGMA synchronous=FULL"));
    WEIR_TRY(copy_pages(from, to, on_copied));
    WEIR_TRY(from.execute("COMMIT"));
  }
  return unfinished->finish();
}

Result<void> copy_log(EventReader& log, const std::string& destination, const OnCopied& on_copied) {
  WEIR_TRY_ASSIGN(unfinished, UnfinishedFile::create(destination));
  const FileOptions options{.path = unfinished->path(),
                            .name = log.info().name,
                            .log = log.info().options,
                            .create = true};
  {
    WEIR_TRY_ASSIGN(session, open_for_writing(options));
    WEIR_TRY(migrate(session, options));
    WEIR_TRY_ASSIGN(rows, RowWriter::create(session));
    WEIR_TRY_ASSIGN(track, session.prepare("INSERT OR REPLACE INTO tracking VALUES (?, ?)"));
    auto read = log.read({});
    while (true) {
      WEIR_TRY_ASSIGN(step, read.next());
      if (!step) break;
      WEIR_TRY(session.execute("BEGIN"));
      for (const auto& view : step->batch) {
        const auto event = event_of(view);
        const auto tracking = view.tracking();
        const auto* tracked = tracking ? &*tracking : nullptr;
        WEIR_TRY(rows.insert({.event = &event,
                              .position = view.position(),
                              .occurred_at = view.occurred_at(),
                              .tracking = tracked,
                              .checksum = engine::checksum_of(view)},
                             view.recorded_at()));
        if (tracked == nullptr) continue;
        track.bind_text(1, tracked->source);
        track.bind(2, static_cast<std::int64_t>(tracked->position));
        WEIR_TRY(track.run());
      }
      WEIR_TRY(session.execute("COMMIT"));
      on_copied(step->cursor.value, step->head.value);
    }
    WEIR_TRY(session.checkpoint_whole());
  }
  return unfinished->finish();
}

}  // namespace weir::sqlite
