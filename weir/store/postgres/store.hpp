#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <weir/store/engine/log.hpp>
#include <weir/store/event_store.hpp>
#include <weir/store/postgres/database.hpp>

namespace weir::postgres {

struct StoreOptions {
  /// "postgres://user@host/database", as libpq reads it.
  std::string uri;
  /// Make the schema and the default log when they are not there. Default true.
  bool create = true;
  /// What that log is like when it is made.
  LogOptions default_log = {};
  DatabaseOptions database = {};
  engine::LogEngineOptions engine = {};
};

/// The logs in one PostgreSQL database.
/// Threads: any.
class Store final : public Catalog {
 public:
  /// Connects, makes or migrates the schema, and makes the default log where it is wanted.
  /// Errors: those of Database::open.
  static Result<std::shared_ptr<Store>> open(StoreOptions options,
                                             std::shared_ptr<engine::Threads> threads);

  Result<std::vector<LogInfo>> list(CallOptions call) override;
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override;
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override;

  std::vector<HealthCheck> health() override { return database_->health(); }

  Database& database() { return *database_; }

 private:
  Store(StoreOptions options, std::shared_ptr<Database> database,
        std::shared_ptr<engine::Threads> threads)
      : options_(std::move(options)),
        database_(std::move(database)),
        threads_(std::move(threads)) {}

  const StoreOptions options_;
  const std::shared_ptr<Database> database_;
  const std::shared_ptr<engine::Threads> threads_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<engine::Log>> open_;
};

}  // namespace weir::postgres
