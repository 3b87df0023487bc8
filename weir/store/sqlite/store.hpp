#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <weir/store/engine/log.hpp>
#include <weir/store/event_store.hpp>
#include <weir/store/sqlite/file.hpp>
#include <weir/store/sqlite/path.hpp>

namespace weir::sqlite {

struct StoreOptions {
  /// The file of the default log; other logs lie beside it: "library.db", "library.orders.db".
  std::string path;
  /// Make the file and its default log when it is not there. Default true.
  bool create = true;
  /// What that log is like when it is made.
  LogOptions default_log = {};
  engine::LogEngineOptions engine = {};
  std::size_t segment_events = 16'384;
  std::int64_t checkpoint_bytes = 64 << 20;
  /// Bytes of events, of all logs, that are kept in memory: those appended last, and those found
  /// by type or tag.
  /// Default 256 MiB.
  std::size_t event_cache_bytes = 256 << 20;
  /// Bytes of the index's lists of rare terms that are kept likewise. Default 32 MiB.
  std::size_t list_cache_bytes = 32 << 20;
  const char* vfs = nullptr;
  /// Of the statements.
  sql::StatementReporting reporting = {};
};

/// The logs at a path, one file each.
/// Threads: any.
class Store final : public Catalog {
 public:
  /// Errors: those of opening the default log.
  static Result<std::shared_ptr<Store>> open(StoreOptions options,
                                             std::shared_ptr<engine::Threads> threads);

  Result<std::vector<LogInfo>> list(CallOptions call) override;
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override;
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override;
  std::vector<HealthCheck> health() override;

  /// Free bytes of the disk below which the store is degraded. 512 MiB.
  static constexpr std::int64_t disk_free_low = 512 << 20;

 private:
  Store(StoreOptions options, std::shared_ptr<engine::Threads> threads)
      : options_(std::move(options)),
        threads_(std::move(threads)),
        kept_(std::make_shared<Kept>(options_.event_cache_bytes, options_.list_cache_bytes)) {}
  Result<std::shared_ptr<engine::Log>> open_file(const std::string& name, const LogOptions& log,
                                                 bool create);

  StoreOptions options_;
  std::shared_ptr<engine::Threads> threads_;
  std::shared_ptr<Kept> kept_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<engine::Log>> open_;
  /// Of the logs that are open.
  std::vector<std::shared_ptr<File>> files_;
};

/// The engine behind one log, for benchmarks and tests that must know when the index is complete.
std::unique_ptr<engine::Backend> make_backend(std::shared_ptr<File> file);

}  // namespace weir::sqlite
