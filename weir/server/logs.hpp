#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/base/executor.hpp>
#include <weir/server/request_limits.hpp>
#include <weir/store/event_store.hpp>

namespace weir::server {

/// The logs that requests name: found at once when they are open, opened on a thread that may wait
/// when not.
/// Threads: any.
class Logs {
 public:
  explicit Logs(std::shared_ptr<Catalog> catalog);

  using Found = UniqueFunction<void(Result<std::shared_ptr<EventStore>>)>;
  /// `found` is called on this thread when the log is open already. An empty name is "default".
  void find(const std::string& name, Found found);

  /// What requests are held to; null: what the logs were opened with.
  const Limits* limits() const { return limits_->now(); }
  const std::shared_ptr<RequestLimits>& request_limits() const { return limits_; }

  /// Runs what may block.
  void run(UniqueFunction<void()> task, UniqueFunction<void(Error)> refused);

  Catalog& catalog() { return *catalog_; }

  /// The logs that are open.
  std::vector<std::shared_ptr<EventStore>> open() const;

  /// Fires when the server shuts down: streams without an end of their own end then.
  std::stop_token draining() const { return draining_.get_token(); }
  void drain() { draining_.request_stop(); }

 private:
  std::shared_ptr<EventStore> open_already(const std::string& name) const;

  std::shared_ptr<Catalog> catalog_;
  const std::shared_ptr<RequestLimits> limits_ = std::make_shared<RequestLimits>();
  std::stop_source draining_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<EventStore>, std::less<>> open_;
  Executor blocking_{{.threads = 2, .queue_max = 4096, .name = "weir-control"}};
};

}  // namespace weir::server
