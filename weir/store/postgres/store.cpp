#include <weir/store/postgres/store.hpp>

#include <weir/base/begin_threads.hpp>

namespace weir::postgres {
namespace {

constexpr const char* default_log = "default";

}  // namespace

Result<std::shared_ptr<Store>> Store::open(StoreOptions options,
                                           std::shared_ptr<engine::Threads> threads) {
  const auto& clock = system_clock();
  const CallOptions call{.deadline = clock.instant() + options.database.open_time_max};
  options.database.create = options.create;
  WEIR_TRY_ASSIGN(database, Database::open(options.uri, options.database, clock));
  auto store = std::shared_ptr<Store>(
      new Store(std::move(options), std::move(database), std::move(threads)));
  if (!store->options_.create) return store;
  // One that is there with options of its own is as good, and a replica, or a role that only reads,
  // can't make one.
  const auto found = store->database_->find(default_log, call);
  if (found) return store;
  if (found.error().code != Code::not_found) return found.error();
  const auto created = store->create(default_log, store->options_.default_log, call);
  // Another process may have made it meanwhile.
  if (!created && created.error().code != Code::already_exists) return created.error();
  return store;
}

Result<std::vector<LogInfo>> Store::list(CallOptions call) {
  return database_->list(call);
}

Result<LogInfo> Store::create(const std::string& name, const LogOptions& options,
                              CallOptions call) {
  return database_->create(name, options, call);
}

Result<std::shared_ptr<EventStore>> Store::open(const std::string& name, CallOptions call) {
  const std::lock_guard lock(mutex_);
  if (const auto known = open_.find(name); known != open_.end()) {
    return std::shared_ptr<EventStore>(known->second);
  }
  WEIR_TRY_ASSIGN(opened, database_->open_log(name, call));
  WEIR_TRY_ASSIGN(log, begin_threads([&] {
                    return std::make_shared<engine::Log>(
                        std::move(opened.backend),
                        std::make_shared<engine::Tail>(engine::Tail::Options()),
                        std::move(opened.hasher), threads_, system_clock(), options_.engine);
                  }));
  open_[name] = log;
  return std::shared_ptr<EventStore>(std::move(log));
}

}  // namespace weir::postgres
