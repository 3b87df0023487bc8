#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include <weir/store/postgres/database.hpp>
#include <weir/store/postgres/reading.hpp>

namespace weir::postgres {

/// A log in a Database. Heads, and whatever must be of this moment, come from the primary. Steps of
/// a read that ends at a position that the primary was seen to have reached may come from a
/// replica: each says up to where it has the log, so a step that ends past that goes to the primary
/// or, when it reads forwards, ends there. A forward read without an end that has a thousand events
/// or more to catch up with asks the primary for the head, and reads up to that.
class LogBackend final : public engine::Backend {
 public:
  LogBackend(std::shared_ptr<Database> database, LogRow log);
  ~LogBackend() override;

  const LogInfo& info() const override { return log_.info; }
  Result<std::unique_ptr<engine::Writer>> open_writer() override;
  Result<ReadStep> read_step(const ReadRequest& request) override;
  Result<Position> head(const CallOptions& call) override;
  bool changed_elsewhere() override { return false; }
  void on_change_elsewhere(std::function<void()> listener) override;
  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key,
                                                const CallOptions& call) override;
  Result<bool> save_snapshot(const Snapshot& snapshot, const CallOptions& call) override;
  Result<void> delete_snapshot(const SnapshotKey& key, const CallOptions& call) override;
  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               const CallOptions& call) override;

 private:
  /// A head that the primary was seen to have; none after a fail-over. `changes`: of the database's
  /// hosts, before anything was asked.
  std::optional<Position> known_head(std::size_t changes) const;
  void saw_head(Position head, std::size_t changes);
  std::optional<ReadStep> read_from_replica(const ReadRequest& request);

  const std::shared_ptr<Database> database_;
  const LogRow log_;
  const engine::TermHasher hasher_;
  const Reading reading_;
  mutable std::mutex mutex_;
  Position known_head_;
  /// Of the database's hosts, before that head was asked for.
  std::size_t hosts_changes_ = 0;
};

}  // namespace weir::postgres
