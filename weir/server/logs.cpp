#include <weir/server/logs.hpp>

#include <mutex>

namespace weir::server {

Logs::Logs(std::shared_ptr<Catalog> catalog) : catalog_(std::move(catalog)) {}

std::shared_ptr<EventStore> Logs::open_already(const std::string& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = open_.find(name);
  return found == open_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<EventStore>> Logs::open() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<EventStore>> all;
  for (const auto& [name, log] : open_) all.push_back(log);
  return all;
}

void Logs::find(const std::string& wanted, Found found) {
  const auto name = wanted.empty() ? std::string("default") : wanted;
  if (auto log = open_already(name)) return found(std::move(log));
  auto shared = std::make_shared<Found>(std::move(found));
  run(
      [this, name, shared] {
        auto opened = catalog_->open(name);
        if (opened) {
          const std::unique_lock lock(mutex_);
          open_.emplace(name, *opened);
        }
        (*shared)(std::move(opened));
      },
      [shared](Error error) { (*shared)(std::move(error)); });
}

void Logs::run(UniqueFunction<void()> task, UniqueFunction<void(Error)> refused) {
  if (!blocking_.post(std::move(task))) {
    refused(overloaded("too many requests wait", std::chrono::milliseconds(50)));
  }
}

}  // namespace weir::server
