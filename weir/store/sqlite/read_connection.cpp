#include <fmt/format.h>

#include <weir/store/sqlite/file.hpp>

namespace weir::sqlite {

Result<std::unique_ptr<ReadConnection>> ReadConnection::open(const FileOptions& options) {
  WEIR_TRY_ASSIGN(session, Session::open({.path = options.path,
                                          .busy_timeout = options.busy_timeout,
                                          .cache_kib = options.reader_cache_kib,
                                          .vfs = options.vfs,
                                          .reporting = options.reporting}));
  WEIR_TRY(session.execute("PRAGMA wal_autocheckpoint=0"));
  WEIR_TRY(session.execute("PRAGMA query_only=ON"));
  const auto select = [&](std::string_view where) {
    return session.prepare(fmt::format("SELECT {} FROM event {}", event_columns, where));
  };
  WEIR_TRY_ASSIGN(begin, session.prepare("BEGIN"));
  WEIR_TRY_ASSIGN(commit, session.prepare("COMMIT"));
  WEIR_TRY_ASSIGN(head, session.prepare("SELECT max(position) FROM event"));
  WEIR_TRY_ASSIGN(generation,
                  session.prepare("SELECT value FROM meta WHERE key = 'index_generation'"));
  WEIR_TRY_ASSIGN(mark, session.prepare(select_mark));
  WEIR_TRY_ASSIGN(one, select("WHERE position = ?"));
  WEIR_TRY_ASSIGN(forwards, select("WHERE position > ? AND position <= ? ORDER BY position"));
  WEIR_TRY_ASSIGN(backwards, select("WHERE position > ? AND position <= ? ORDER BY position DESC"));
  WEIR_TRY_ASSIGN(blocks, BlockReader::create(session));
  return std::unique_ptr<ReadConnection>(new ReadConnection{
      std::move(session), std::move(begin), std::move(commit), std::move(head),
      std::move(generation), std::move(mark), std::move(one), std::move(forwards),
      std::move(backwards), std::move(blocks), RowReader()});
}

Result<std::unique_ptr<ReadConnection>> File::open_reader() const {
  auto opened = ReadConnection::open(options_);
  // Afterwards, so that it can't be replaced in between; and this says better why nothing opens.
  WEIR_TRY(check_place());
  return opened;
}

Result<Position> ReadConnection::read_head() {
  WEIR_TRY_ASSIGN(row, head.step());
  const Position last(row ? static_cast<std::uint64_t>(head.integer(0)) : 0);
  head.reset();
  return last;
}

}  // namespace weir::sqlite
