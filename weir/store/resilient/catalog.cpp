#include <weir/store/resilient/catalog.hpp>

#include <map>
#include <shared_mutex>

#include <weir/store/resilient/operation.hpp>

namespace weir::resilient {
namespace {

using resilience::Pipeline;

class ShieldedCatalog final : public Catalog {
 public:
  ShieldedCatalog(std::shared_ptr<Catalog> catalog, Pipeline read, Pipeline write)
      : catalog_(std::move(catalog)), read_(std::move(read)), write_(std::move(write)) {}

  Result<std::vector<LogInfo>> list(CallOptions call) override {
    std::vector<LogInfo> logs;
    WEIR_TRY(run(read_, "list logs", call, [&](const CallOptions& within) -> Result<void> {
      WEIR_TRY_ASSIGN(found, catalog_->list(within));
      logs = std::move(found);
      return {};
    }));
    return logs;
  }
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override {
    // One that is there with these options is fine, so it may be tried twice.
    return run(write_, "create log", call, [&](const CallOptions& within) {
      return catalog_->create(name, options, within);
    });
  }
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override {
    if (auto log = known(name)) return log;
    WEIR_TRY_ASSIGN(opened, run(read_, "open log", call, [&](const CallOptions& within) {
                      return catalog_->open(name, within);
                    }));
    const std::unique_lock lock(mutex_);
    return open_.emplace(name, std::move(opened)).first->second;
  }

 private:
  /// What is open needs no database to be found.
  std::shared_ptr<EventStore> known(const std::string& name) const {
    const std::shared_lock lock(mutex_);
    const auto found = open_.find(name);
    return found == open_.end() ? nullptr : found->second;
  }

  const std::shared_ptr<Catalog> catalog_;
  const Pipeline read_;
  const Pipeline write_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<EventStore>, std::less<>> open_;
};

}  // namespace

std::shared_ptr<Catalog> shielded(std::shared_ptr<Catalog> catalog, Pipeline read,
                                  Pipeline write) {
  return std::make_shared<ShieldedCatalog>(std::move(catalog), std::move(read), std::move(write));
}

}  // namespace weir::resilient
