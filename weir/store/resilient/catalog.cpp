#include <weir/store/resilient/catalog.hpp>

#include <map>
#include <shared_mutex>

#include <fmt/format.h>

#include <weir/store/resilient/operation.hpp>

namespace weir::resilient {
namespace {

using resilience::Pipeline;

/// A server whose circuit is open still serves what it can.
HealthCheck check_of(const Pipeline& pipeline) {
  const auto core = pipeline.core();
  HealthCheck check{.name = core->name};
  for (const auto& level : core->levels) {
    if (level.kind != resilience::Kind::circuit_breaker) continue;
    const auto circuit = level.with<resilience::CircuitBreaker>().snapshot(core->clock->instant());
    check.data = {{"circuit", std::string(name_of(circuit.state))},
                  {"calls", static_cast<std::int64_t>(circuit.counts.calls)},
                  {"failures", static_cast<std::int64_t>(circuit.counts.failures)}};
    if (circuit.state == resilience::CircuitBreaker::State::closed) continue;
    check.worsen(
        HealthStatus::degraded,
        fmt::format("the circuit is {}: the database failed too often", name_of(circuit.state)));
  }
  return check;
}

class ShieldedCatalog final : public Catalog {
 public:
  ShieldedCatalog(std::shared_ptr<Catalog> catalog, Pipeline read, Pipeline write,
                  std::shared_ptr<const void> shield)
      : shield_(std::move(shield)),
        catalog_(std::move(catalog)),
        read_(std::move(read)),
        write_(std::move(write)) {}

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
    return run(write_, "create log", call,
               [&](const CallOptions& within) { return catalog_->create(name, options, within); });
  }
  std::vector<HealthCheck> health() override {
    auto checks = catalog_->health();
    checks.push_back(check_of(read_));
    checks.push_back(check_of(write_));
    return checks;
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

  const std::shared_ptr<const void> shield_;
  const std::shared_ptr<Catalog> catalog_;
  const Pipeline read_;
  const Pipeline write_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<EventStore>, std::less<>> open_;
};

}  // namespace

std::shared_ptr<Catalog> shielded(std::shared_ptr<Catalog> catalog, Pipeline read, Pipeline write,
                                  std::shared_ptr<const void> shield) {
  return std::make_shared<ShieldedCatalog>(std::move(catalog), std::move(read), std::move(write),
                                           std::move(shield));
}

}  // namespace weir::resilient
