#pragma once

#include <memory>

#include <weir/store/event_store.hpp>

namespace weir::testing_support {

/// A catalog that keeps what it stands on (a folder, a server), and lets go of it last.
template <class Support>
class OwningCatalog final : public Catalog {
 public:
  OwningCatalog(std::unique_ptr<Support> support, std::shared_ptr<Catalog> catalog)
      : support_(std::move(support)), catalog_(std::move(catalog)) {}

  Result<std::vector<LogInfo>> list(CallOptions call) override { return catalog_->list(call); }
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override {
    return catalog_->create(name, options, call);
  }
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override {
    return catalog_->open(name, call);
  }

 private:
  std::unique_ptr<Support> support_;
  std::shared_ptr<Catalog> catalog_;
};

}  // namespace weir::testing_support
