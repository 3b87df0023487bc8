#include <weir/sql/sqlite/preallocating_vfs.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include <sqlite3.h>

namespace weir::sqlite {
namespace {

/// A log doubles from the first to steps of the second: its growth is a small part of what is
/// written, and no commit waits for more than the largest step.
constexpr sqlite3_int64 step_min = 256 << 10;
constexpr sqlite3_int64 step_max = 2 << 20;

/// What SQLite keeps for an open write-ahead log; the file below follows it in memory.
struct LogFile {
  sqlite3_file base;
  /// The file's size, as far as this connection knows: another may have made it larger.
  sqlite3_int64 size;

  static LogFile& of(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }
  static sqlite3_file* below(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(LogFile));
  }
  static const sqlite3_io_methods& methods(sqlite3_file* file) { return *below(file)->pMethods; }

  /// Best effort: when there is no room on the disk for the step, there may be for what is to be
  /// written, which says so itself when not.
  void make_room(sqlite3_file* file, sqlite3_int64 end) {
    if (methods(file).xFileSize(below(file), &size) != SQLITE_OK || end <= size) return;
    static const std::array<char, 64 << 10> zeros{};
    const auto wanted = end + std::clamp(size, step_min, step_max);
    for (auto at = size; at < wanted;) {
      const auto bytes = std::min<sqlite3_int64>(wanted - at, zeros.size());
      if (methods(file).xWrite(below(file), zeros.data(), static_cast<int>(bytes), at) !=
          SQLITE_OK) {
        return;
      }
      at += bytes;
      size = at;
    }
  }

  static int write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    auto& self = of(file);
    if (offset + bytes > self.size) self.make_room(file, offset + bytes);
    return methods(file).xWrite(below(file), data, bytes, offset);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    of(file).size = 0;  // to be looked at again
    return methods(file).xTruncate(below(file), size);
  }

  static int close(sqlite3_file* file) { return methods(file).xClose(below(file)); }
  static int read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    return methods(file).xRead(below(file), out, bytes, offset);
  }
  static int sync(sqlite3_file* file, int flags) { return methods(file).xSync(below(file), flags); }
  static int file_size(sqlite3_file* file, sqlite3_int64* size) {
    return methods(file).xFileSize(below(file), size);
  }
  static int lock(sqlite3_file* file, int level) { return methods(file).xLock(below(file), level); }
  static int unlock(sqlite3_file* file, int level) {
    return methods(file).xUnlock(below(file), level);
  }
  static int is_reserved(sqlite3_file* file, int* out) {
    return methods(file).xCheckReservedLock(below(file), out);
  }
  static int control(sqlite3_file* file, int what, void* argument) {
    return methods(file).xFileControl(below(file), what, argument);
  }
  static int sector_size(sqlite3_file* file) { return methods(file).xSectorSize(below(file)); }
  static int characteristics(sqlite3_file* file) {
    return methods(file).xDeviceCharacteristics(below(file));
  }

  // A log's file has no shared memory and is not mapped: those are the database file's.
  static constexpr sqlite3_io_methods all = {.iVersion = 1,
                                             .xClose = close,
                                             .xRead = read,
                                             .xWrite = write,
                                             .xTruncate = truncate,
                                             .xSync = sync,
                                             .xFileSize = file_size,
                                             .xLock = lock,
                                             .xUnlock = unlock,
                                             .xCheckReservedLock = is_reserved,
                                             .xFileControl = control,
                                             .xSectorSize = sector_size,
                                             .xDeviceCharacteristics = characteristics};
};

/// The one below is looked up by its name each time: it may have been registered anew.
struct Vfs {
  std::string below;
  std::string name;
  sqlite3_vfs vfs;

  static sqlite3_vfs* under(sqlite3_vfs* vfs) {
    return sqlite3_vfs_find(static_cast<Vfs*>(vfs->pAppData)->below.c_str());
  }

  static int open(sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* file, int flags,
                  int* out_flags) {
    auto* system = under(vfs);
    file->pMethods = nullptr;
    if (system == nullptr) return SQLITE_CANTOPEN;
    if ((flags & SQLITE_OPEN_WAL) == 0) return system->xOpen(system, path, file, flags, out_flags);
    const int code = system->xOpen(system, path, LogFile::below(file), flags, out_flags);
    if (code == SQLITE_OK) new (file) LogFile{.base = {.pMethods = &LogFile::all}, .size = 0};
    return code;
  }

  explicit Vfs(const sqlite3_vfs& system)
      : below(system.zName), name("weir-preallocating-" + below), vfs(system) {
    vfs.iVersion = 2;
    vfs.szOsFile += static_cast<int>(sizeof(LogFile));
    vfs.pNext = nullptr;
    vfs.zName = name.c_str();
    vfs.pAppData = this;
    vfs.xOpen = open;
    vfs.xDelete = [](sqlite3_vfs* self, const char* path, int sync_folder) {
      auto* real = under(self);
      return real == nullptr ? SQLITE_IOERR_DELETE : real->xDelete(real, path, sync_folder);
    };
    vfs.xAccess = [](sqlite3_vfs* self, const char* path, int flags, int* out) {
      auto* real = under(self);
      return real == nullptr ? SQLITE_IOERR_ACCESS : real->xAccess(real, path, flags, out);
    };
    vfs.xFullPathname = [](sqlite3_vfs* self, const char* path, int bytes, char* out) {
      auto* real = under(self);
      if (real == nullptr) return SQLITE_CANTOPEN;
      return real->xFullPathname(real, path, bytes, out);
    };
  }
};

}  // namespace

const char* preallocating_vfs(const char* below) {
  static std::mutex mutex;
  static auto& made = *new std::map<std::string, std::unique_ptr<Vfs>>;  // SQLite keeps them
  const auto* system = sqlite3_vfs_find(below);
  if (system == nullptr) return nullptr;
  const std::lock_guard lock(mutex);
  auto& vfs = made[system->zName];
  if (!vfs) {
    auto fresh = std::make_unique<Vfs>(*system);
    if (sqlite3_vfs_register(&fresh->vfs, 0) != SQLITE_OK) return nullptr;
    vfs = std::move(fresh);
  }
  return vfs->name.c_str();
}

}  // namespace weir::sqlite
