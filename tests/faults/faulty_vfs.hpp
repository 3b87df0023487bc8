#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

struct sqlite3_vfs;

namespace weir::fault_tests {

/// What a file operation may be told to do.
enum class Operation : std::uint8_t { read, write, sync };

/// A VFS for SQLite over the system's own that fails as told, and that forgets what was not synced
/// when the power is cut. Registered under `name` while it lives.
/// Threads: any.
class FaultyVfs {
 public:
  static constexpr const char* name = "weir-faulty";

  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  /// The operation fails `count` times, once it has been let through `after` times. A write fails
  /// with "disk full" and may have written a part; the others with an I/O error. A sync that fails
  /// may have synced nothing.
  void fail(Operation operation, int after, int count);
  /// No more failures.
  void heal();
  /// How many failures there have been.
  int failures() const { return failures_; }
  /// How many operations have been asked for.
  int operations(Operation operation) const {
    return operations_[static_cast<std::size_t>(operation)];
  }

  /// From now on nothing reaches the disk, as when the power has gone: every operation fails.
  void cut_power();
  /// With every file closed: of what was written since each file's last sync, only some is there,
  /// the last of it perhaps torn. Then operations work again.
  void restore_power(std::mt19937& random);

 private:
  friend struct FaultyFile;
  struct Write {
    std::int64_t offset = 0;
    std::string bytes;  ///< empty: the file was cut to `offset`
    bool truncates = false;
  };
  /// What a file held when it was last synced, and what has happened to it since.
  struct Disk {
    std::string synced;
    std::vector<Write> since;
  };
  struct Fault {
    int after = 0;
    int left = 0;
  };

  bool fails(Operation operation);
  void wrote(const std::string& path, Write write);
  void synced(const std::string& path);
  void opened(const std::string& path);
  void removed(const std::string& path);

  std::mutex mutex_;
  std::map<std::string, Disk> disks_;
  std::map<Operation, Fault> faults_;
  std::atomic<bool> dark_ = false;
  std::atomic<int> failures_ = 0;
  std::array<std::atomic<int>, 3> operations_{};
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace weir::fault_tests
