#pragma once

#include <memory>

#include <weir/store/postgres/database.hpp>
#include <weir/store/postgres/reading.hpp>

namespace weir::postgres {

/// A log in a Database.
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
  const std::shared_ptr<Database> database_;
  const LogRow log_;
  const engine::TermHasher hasher_;
  const Reading reading_;
};

}  // namespace weir::postgres
