#include <weir/store/resilient/backend.hpp>

#include <weir/store/resilient/operation.hpp>
#include <weir/store/resilient/write_circuit.hpp>

namespace weir::resilient {
namespace {

using resilience::Pipeline;

/// Each transaction is a call to the circuit breaker. The committer, asking the circuit, decides
/// what to repeat: only it knows who still waits.
class ShieldedWriter final : public engine::Writer {
 public:
  ShieldedWriter(std::unique_ptr<engine::Writer> writer, std::shared_ptr<WriteCircuit> circuit)
      : writer_(std::move(writer)), circuit_(std::move(circuit)) {}

  Result<engine::Begun> begin(const engine::BeginRequest& request) override {
    WEIR_TRY_ASSIGN(ticket, circuit_->enter());
    ticket_ = std::move(ticket);
    read_ = {};
    asked_at_ = request.asked_at == Instant() ? ticket_.began : request.asked_at;
    auto within = request;
    within.deadline = circuit_->give_up_at(asked_at_, request.deadline);
    auto begun = writer_->begin(within);
    if (!begun) circuit_->leave(ticket_, begun.error());
    return begun;
  }

  /// A part of the transaction, and so of one call to the circuit breaker.
  Result<ReadStep> read_step(const ReadRequest& request) override {
    auto step = writer_->read_step(request);
    if (!step) read_ = step.error();
    return step;
  }

  Result<void> commit(const engine::Group& group) override {
    auto within = group;
    within.deadline = circuit_->give_up_at(asked_at_, std::nullopt);
    // So that others need not wait to learn how the database is until this one knows what it did.
    within.on_failed_try = [this](const Error& error) { circuit_->leave(ticket_, error); };
    auto committed = writer_->commit(within);
    circuit_->leave(ticket_, committed);
    return committed;
  }

  void rollback() override {
    writer_->rollback();
    circuit_->leave(ticket_, read_);
  }

 private:
  const std::unique_ptr<engine::Writer> writer_;
  const std::shared_ptr<WriteCircuit> circuit_;
  /// Of the transaction under way.
  WriteCircuit::Ticket ticket_;
  Instant asked_at_;
  /// What became of the reads in it.
  Result<void> read_;
};

class ShieldedBackend final : public engine::Backend {
 public:
  ShieldedBackend(std::unique_ptr<engine::Backend> backend, Pipeline read, Pipeline write,
                  std::shared_ptr<const void> shield)
      : shield_(std::move(shield)),
        backend_(std::move(backend)),
        read_(std::move(read)),
        write_(std::move(write)),
        circuit_(std::make_shared<WriteCircuit>(write_)) {}

  const LogInfo& info() const override { return backend_->info(); }

  Result<std::unique_ptr<engine::Writer>> open_writer() override {
    WEIR_TRY_ASSIGN(writer, backend_->open_writer());
    return std::unique_ptr<engine::Writer>(
        std::make_unique<ShieldedWriter>(std::move(writer), circuit_));
  }
  engine::AppendPolicy* append_policy() override { return circuit_.get(); }

  Result<ReadStep> read_step(const ReadRequest& request) override {
    auto within = request;
    return run(read_, "read", request.call, [&](const CallOptions& call) {
      within.call.deadline = call.deadline;
      return backend_->read_step(within);
    });
  }
  Result<Position> head(const CallOptions& call) override {
    return run(read_, "head", call,
               [&](const CallOptions& within) { return backend_->head(within); });
  }
  bool changed_elsewhere() override { return backend_->changed_elsewhere(); }
  void on_change_elsewhere(std::function<void()> listener) override {
    backend_->on_change_elsewhere(std::move(listener));
  }

  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key,
                                                const CallOptions& call) override {
    return run(read_, "load snapshot", call,
               [&](const CallOptions& within) { return backend_->load_snapshot(key, within); });
  }
  Result<bool> save_snapshot(const Snapshot& snapshot, const CallOptions& call) override {
    // What was kept at the same position is replaced: saving twice is saving once.
    return run(write_, "save snapshot", call, [&](const CallOptions& within) {
      return backend_->save_snapshot(snapshot, within);
    });
  }
  Result<void> delete_snapshot(const SnapshotKey& key, const CallOptions& call) override {
    return run(write_, "delete snapshot", call,
               [&](const CallOptions& within) { return backend_->delete_snapshot(key, within); });
  }
  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               const CallOptions& call) override {
    return run(read_, "tracked", call,
               [&](const CallOptions& within) { return backend_->tracked(source, within); });
  }

 private:
  const std::shared_ptr<const void> shield_;
  const std::unique_ptr<engine::Backend> backend_;
  const Pipeline read_;
  const Pipeline write_;
  const std::shared_ptr<WriteCircuit> circuit_;
};

}  // namespace

std::unique_ptr<engine::Backend> shielded(std::unique_ptr<engine::Backend> backend, Pipeline read,
                                          Pipeline write, std::shared_ptr<const void> shield) {
  return std::make_unique<ShieldedBackend>(std::move(backend), std::move(read), std::move(write),
                                           std::move(shield));
}

}  // namespace weir::resilient
