#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/store/event_store.hpp>

namespace weir::testing {

/// What all handles and subscriptions of one log in memory share.
struct MemoryLog;

struct MemoryOptions {
  Limits limits = {};
  /// How long an idempotency key is remembered. Default 24 h.
  std::chrono::hours keys_kept = std::chrono::hours(24);
  /// Events a read step looks at. Default 20,000; small ones make tests meet empty steps.
  std::size_t scanned_max = 20'000;
  /// Must outlive the store. Default: the machine's.
  const Clock* clock = &system_clock();
};

/// A log in memory, judged by linear scan: an oracle for tests, never for programs.
/// Threads: any. Asynchronous calls are answered before they return, on the caller's thread.
/// Ownership: a subscription may outlive the store.
/// Errors: those of the interface that a memory can have; never unavailable or data_loss.
class MemoryStore final : public EventStore {
 public:
  explicit MemoryStore(std::string name, LogOptions log_options = {}, MemoryOptions options = {});
  ~MemoryStore() override;

  const LogInfo& info() const override { return info_; }

  void read_step(ReadRequest request, Done<ReadStep> done) override;
  Result<ReadStep> read_step(ReadRequest request) override;
  void head(CallOptions call, Done<Position> done) override;
  Result<Position> head(CallOptions call) override;
  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key, CallOptions call) override;
  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               CallOptions call) override;
  Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) override;

  void append(AppendRequest request, Done<Appended> done) override;
  Result<Appended> append(AppendRequest request) override;
  Result<bool> save_snapshot(const Snapshot& snapshot, CallOptions call) override;
  Result<void> delete_snapshot(const SnapshotKey& key, CallOptions call) override;

 private:
  LogInfo info_;
  std::shared_ptr<MemoryLog> log_;
};

/// Logs in memory by name. One named "default" is there from the start.
/// Threads: any.
class MemoryCatalog final : public Catalog {
 public:
  explicit MemoryCatalog(MemoryOptions options = {});

  Result<std::vector<LogInfo>> list(CallOptions call) override;
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override;
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override;

 private:
  const MemoryOptions options_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<MemoryStore>> logs_;
};

}  // namespace weir::testing
