#include <tests/faults/faulty_vfs.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>

namespace weir::fault_tests {
namespace {

constexpr std::size_t sector_bytes = 512;

sqlite3_vfs* system_vfs() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
  return vfs;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

/// The shared memory of the write-ahead log is never on disk, as far as SQLite is concerned.
bool is_durable(const std::string& path) {
  return !path.empty() && !path.ends_with("-shm");
}

}  // namespace

/// What SQLite keeps for an open file; the system's own follows it in memory.
struct FaultyFile {
  sqlite3_file base;
  FaultyVfs* vfs;
  std::string* path;

  static FaultyFile& of(sqlite3_file* file) { return *reinterpret_cast<FaultyFile*>(file); }
  static sqlite3_file* real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(FaultyFile));
  }
  static const sqlite3_io_methods& methods(sqlite3_file* file) { return *real(file)->pMethods; }

  static int close(sqlite3_file* file) {
    const int code = methods(file).xClose(real(file));
    delete of(file).path;
    return code;
  }
  static int read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    if (of(file).vfs->fails(Operation::read)) return SQLITE_IOERR_READ;
    return methods(file).xRead(real(file), out, bytes, offset);
  }
  static int write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    auto& self = of(file);
    const std::string_view all(static_cast<const char*>(data), static_cast<std::size_t>(bytes));
    if (self.vfs->dark_) return SQLITE_IOERR_WRITE;
    if (self.vfs->fails(Operation::write)) {
      // A disk that fills up takes a part.
      const auto part = all.substr(0, all.size() / 2);
      methods(file).xWrite(real(file), part.data(), static_cast<int>(part.size()), offset);
      self.vfs->wrote(*self.path, {.offset = offset, .bytes = std::string(part)});
      return SQLITE_FULL;
    }
    const int code = methods(file).xWrite(real(file), data, bytes, offset);
    if (code == SQLITE_OK) {
      self.vfs->wrote(*self.path, {.offset = offset, .bytes = std::string(all)});
    }
    return code;
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    auto& self = of(file);
    if (self.vfs->dark_) return SQLITE_IOERR_TRUNCATE;
    const int code = methods(file).xTruncate(real(file), size);
    if (code == SQLITE_OK) self.vfs->wrote(*self.path, {.offset = size, .truncates = true});
    return code;
  }
  static int sync(sqlite3_file* file, int flags) {
    auto& self = of(file);
    if (self.vfs->fails(Operation::sync)) return SQLITE_IOERR_FSYNC;
    static_cast<void>(flags);  // the power is cut by the test alone: no need to wait for the disk
    self.vfs->synced(*self.path);
    return SQLITE_OK;
  }
  static int size(sqlite3_file* file, sqlite3_int64* size) {
    return methods(file).xFileSize(real(file), size);
  }
  static int lock(sqlite3_file* file, int level) { return methods(file).xLock(real(file), level); }
  static int unlock(sqlite3_file* file, int level) {
    return methods(file).xUnlock(real(file), level);
  }
  static int is_reserved(sqlite3_file* file, int* out) {
    return methods(file).xCheckReservedLock(real(file), out);
  }
  static int control(sqlite3_file* file, int what, void* argument) {
    return methods(file).xFileControl(real(file), what, argument);
  }
  static int sector_size(sqlite3_file*) { return sector_bytes; }
  static int characteristics(sqlite3_file* file) {
    return methods(file).xDeviceCharacteristics(real(file));
  }
  static int shm_map(sqlite3_file* file, int page, int bytes, int extend, void volatile** out) {
    return methods(file).xShmMap(real(file), page, bytes, extend, out);
  }
  static int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    return methods(file).xShmLock(real(file), offset, count, flags);
  }
  static void shm_barrier(sqlite3_file* file) { methods(file).xShmBarrier(real(file)); }
  static int shm_unmap(sqlite3_file* file, int remove) {
    return methods(file).xShmUnmap(real(file), remove);
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                  int* out_flags) {
    static const sqlite3_io_methods all = {2,
                                           close,
                                           read,
                                           write,
                                           truncate,
                                           sync,
                                           size,
                                           lock,
                                           unlock,
                                           is_reserved,
                                           control,
                                           sector_size,
                                           characteristics,
                                           shm_map,
                                           shm_lock,
                                           shm_barrier,
                                           shm_unmap,
                                           nullptr,
                                           nullptr};
    auto& owner = *static_cast<FaultyVfs*>(vfs->pAppData);
    file->pMethods = nullptr;
    const int code = system_vfs()->xOpen(system_vfs(), path, real(file), flags, out_flags);
    if (code != SQLITE_OK) return code;
    auto& self = *new (file) FaultyFile{};
    self.base.pMethods = &all;
    self.vfs = &owner;
    self.path = new std::string(path == nullptr ? "" : path);
    owner.opened(*self.path);
    return SQLITE_OK;
  }
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_folder) {
    auto& owner = *static_cast<FaultyVfs*>(vfs->pAppData);
    if (owner.dark_) return SQLITE_IOERR_DELETE;
    const int code = system_vfs()->xDelete(system_vfs(), path, sync_folder);
    if (code == SQLITE_OK) owner.removed(path);
    return code;
  }
};

FaultyVfs::FaultyVfs() : vfs_(std::make_unique<sqlite3_vfs>(*system_vfs())) {
  vfs_->zName = name;
  vfs_->pAppData = this;
  vfs_->szOsFile = static_cast<int>(sizeof(FaultyFile)) + system_vfs()->szOsFile;
  vfs_->xOpen = FaultyFile::open;
  vfs_->xDelete = FaultyFile::remove;
  // These know the system's VFS by what it keeps in pAppData.
  vfs_->xAccess = [](sqlite3_vfs*, const char* path, int flags, int* out) {
    return system_vfs()->xAccess(system_vfs(), path, flags, out);
  };
  vfs_->xFullPathname = [](sqlite3_vfs*, const char* path, int bytes, char* out) {
    return system_vfs()->xFullPathname(system_vfs(), path, bytes, out);
  };
  sqlite3_vfs_register(vfs_.get(), 0);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(vfs_.get());
}

void FaultyVfs::fail(Operation operation, int after, int count) {
  const std::lock_guard lock(mutex_);
  faults_[operation] = {after, count};
}

void FaultyVfs::heal() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

void FaultyVfs::cut_power() {
  dark_ = true;
}

bool FaultyVfs::fails(Operation operation) {
  ++operations_[static_cast<std::size_t>(operation)];
  if (dark_) return true;
  const std::lock_guard lock(mutex_);
  const auto found = faults_.find(operation);
  if (found == faults_.end() || found->second.left == 0) return false;
  if (found->second.after-- > 0) return false;
  found->second.after = 0;
  --found->second.left;
  ++failures_;
  return true;
}

void FaultyVfs::opened(const std::string& path) {
  if (!is_durable(path)) return;
  const std::lock_guard lock(mutex_);
  // What is there when it is first seen counts as synced.
  if (!disks_.contains(path)) disks_[path].synced = read_file(path);
}

void FaultyVfs::removed(const std::string& path) {
  const std::lock_guard lock(mutex_);
  disks_.erase(path);
}

void FaultyVfs::wrote(const std::string& path, Write write) {
  if (!is_durable(path)) return;
  const std::lock_guard lock(mutex_);
  disks_[path].since.push_back(std::move(write));
}

namespace {

void put(std::string& image, std::int64_t offset, std::string_view bytes) {
  const auto at = static_cast<std::size_t>(offset);
  if (image.size() < at + bytes.size()) image.resize(at + bytes.size(), '\0');
  std::copy(bytes.begin(), bytes.end(), image.begin() + offset);
}

}  // namespace

void FaultyVfs::synced(const std::string& path) {
  if (!is_durable(path)) return;
  const std::lock_guard lock(mutex_);
  auto& disk = disks_[path];
  for (const auto& write : disk.since) {
    if (write.truncates) {
      disk.synced.resize(static_cast<std::size_t>(write.offset));
    } else {
      put(disk.synced, write.offset, write.bytes);
    }
  }
  disk.since.clear();
}

void FaultyVfs::restore_power(std::mt19937& random) {
  const std::lock_guard lock(mutex_);
  for (auto& [path, disk] : disks_) {
    auto image = disk.synced;
    for (const auto& write : disk.since) {
      if (random() % 2 == 0) continue;  // in any order: some of them never came to the disk
      if (write.truncates) {
        image.resize(static_cast<std::size_t>(write.offset));
        continue;
      }
      std::string_view bytes = write.bytes;
      if (random() % 4 == 0) {
        bytes = bytes.substr(0, random() % (bytes.size() / sector_bytes + 1) * sector_bytes);
      }
      put(image, write.offset, bytes);
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << image;
    std::filesystem::remove(path + "-shm");
    disk = {.synced = std::move(image), .since = {}};
  }
  faults_.clear();
  dark_ = false;
}

}  // namespace weir::fault_tests
