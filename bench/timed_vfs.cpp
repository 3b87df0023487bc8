#include <bench/timed_vfs.hpp>

#include <sqlite3.h>

#include <atomic>

#include <weir/base/time.hpp>

namespace weir::bench {
namespace {

std::atomic<std::int64_t> sync_nanoseconds = 0;
sqlite3_vfs* system_vfs = nullptr;
/// As the system's VFS has them; set when the first write-ahead log is opened.
const sqlite3_io_methods* system_methods = nullptr;
sqlite3_io_methods timed_methods;

int timed_sync(sqlite3_file* file, int flags) {
  const auto began = system_clock().instant();
  const auto result = system_methods->xSync(file, flags);
  sync_nanoseconds += std::chrono::nanoseconds(system_clock().instant() - began).count();
  return result;
}

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const auto result = system_vfs->xOpen(system_vfs, name, file, flags, out_flags);
  if (result != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return result;
  static const bool copied = [file] {
    system_methods = file->pMethods;
    timed_methods = *system_methods;
    timed_methods.xSync = timed_sync;
    return true;
  }();
  if (copied && file->pMethods == system_methods) file->pMethods = &timed_methods;
  return result;
}

}  // namespace

const char* timed_vfs() {
  static constexpr const char* name = "weir-bench-timed";
  static const bool registered = [] {
    system_vfs = sqlite3_vfs_find(nullptr);
    static sqlite3_vfs vfs = *system_vfs;
    vfs.zName = name;
    vfs.pNext = nullptr;
    vfs.xOpen = open;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  return registered ? name : nullptr;
}

std::chrono::nanoseconds wal_sync_time() {
  return std::chrono::nanoseconds(sync_nanoseconds.load());
}

}  // namespace weir::bench
