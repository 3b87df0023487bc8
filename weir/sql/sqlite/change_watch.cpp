#include <weir/sql/sqlite/change_watch.hpp>

#include <atomic>
#include <cstring>

#include <sqlite3.h>

namespace weir::sqlite {
namespace {

/// Bytes of the WAL-index that SQLite maps at a time.
constexpr int region_bytes = 32 << 10;
/// Where a header says that it has been filled in: a byte after its third word.
constexpr std::size_t filled_in_word = 3;

ChangeWatch::State read_copy(const std::uint32_t* from) {
  ChangeWatch::State state;
  for (std::size_t i = 0; i < state.words.size(); ++i) {
    state.words[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
  }
  return state;
}

bool is_filled_in(const ChangeWatch::State& state) {
  unsigned char flag = 0;
  std::memcpy(&flag, &state.words[filled_in_word], 1);
  return flag != 0;
}

}  // namespace

Result<std::unique_ptr<ChangeWatch>> ChangeWatch::open(const SessionOptions& options) {
  WEIR_TRY_ASSIGN(session, Session::open(options));
  WEIR_TRY_ASSIGN(mode, session.prepare("PRAGMA journal_mode"));
  WEIR_TRY_ASSIGN(known, mode.step());
  if (!known || mode.text(0) != "wal") return std::unique_ptr<ChangeWatch>();
  mode.reset();
  // The first look at the database opens the WAL-index.
  WEIR_TRY(session.query_integer("SELECT count(*) FROM sqlite_master"));
  WEIR_TRY_ASSIGN(file, session.file());
  const auto* methods = file->pMethods;
  if (methods == nullptr || methods->iVersion < 2 || methods->xShmMap == nullptr) {
    return std::unique_ptr<ChangeWatch>();
  }
  volatile void* region = nullptr;
  // Not to be extended: where there is none, nobody has opened the database in WAL mode.
  if (methods->xShmMap(file, 0, region_bytes, 0, &region) != SQLITE_OK || region == nullptr) {
    return std::unique_ptr<ChangeWatch>();
  }
  return std::unique_ptr<ChangeWatch>(
      new ChangeWatch(std::move(session), const_cast<const void*>(region)));
}

std::optional<ChangeWatch::State> ChangeWatch::state() const {
  // There are two copies, of which the second is written first.
  const auto* words = static_cast<const std::uint32_t*>(header_);
  const auto first = read_copy(words);
  std::atomic_thread_fence(std::memory_order_acquire);
  const auto second = read_copy(words + first.words.size());
  if (first != second || !is_filled_in(first)) return std::nullopt;
  return first;
}

}  // namespace weir::sqlite
