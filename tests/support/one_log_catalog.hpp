#pragma once

#include <memory>
#include <string>
#include <utility>

#include <weir/store/event_store.hpp>

namespace weir::testing_support {

/// A catalog of one log, by its own name and as "default".
class OneLogCatalog final : public Catalog {
 public:
  explicit OneLogCatalog(std::shared_ptr<EventStore> log) : log_(std::move(log)) {}

  Result<std::vector<LogInfo>> list(CallOptions) override {
    return std::vector<LogInfo>{log_->info()};
  }
  Result<LogInfo> create(const std::string&, const LogOptions&, CallOptions) override {
    return log_->info();
  }
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions) override {
    if (name == "default" || name == log_->info().name) return log_;
    return Error{.code = Code::not_found, .message = "there is one log only"};
  }

 private:
  const std::shared_ptr<EventStore> log_;
};

}  // namespace weir::testing_support
