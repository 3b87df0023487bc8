#pragma once

#include <memory>
#include <string>
#include <vector>

#include <weir/resilience/registry/registry.hpp>
#include <weir/store/engine/backend.hpp>
#include <weir/store/resilient/options.hpp>
#include <weir/store/resilient/recovery.hpp>

namespace weir::resilient {

/// How one circuit of a shield stands.
struct CircuitState {
  /// "store.read" or "store.write".
  std::string pipeline;
  resilience::CircuitBreaker::Snapshot circuit;
};

/// Stands between the logs of one database and their callers: each operation runs under timeout,
/// retry and circuit breaker, outermost first. Until the circuit opens, operations that may be
/// repeated are, up to the caller's deadline; while it is open, callers are answered at once with
/// `unavailable` and `retry_after`, and look_with() finds out when the database is back.
/// An append is repeated only when nothing of it was recorded, so that it is never there twice.
/// Not for a file on this machine: there is nothing that could be away, and failing is quick.
/// Threads: any. What is put around others shares its ownership.
class Shield : public std::enable_shared_from_this<Shield> {
 public:
  /// Errors: see check().
  static Result<std::shared_ptr<Shield>> create(ShieldOptions options);

  /// Takes other strategies; circuits stay open that are, calls under way end as they began. Clock,
  /// timers and seed stay. With an error nothing changes.
  Result<void> reload(ShieldOptions options);

  /// From now on looks, by `look`, while a circuit is open, whether the database answers again:
  /// then the circuit need not stay open for its whole break, and `retry_after` tells when the next
  /// look will have been. Once, when the database is open. The look may hold nothing that holds
  /// this.
  void look_with(Look look);

  /// Of reads, then of writes.
  std::vector<CircuitState> circuits() const;

  std::unique_ptr<engine::Backend> around(std::unique_ptr<engine::Backend> backend);
  /// Puts it around opening, creating and listing logs; logs that are open are found without it.
  std::shared_ptr<Catalog> around(std::shared_ptr<Catalog> catalog);

 private:
  explicit Shield(ShieldOptions options);
  Result<void> add(const char* name, const Strategies& strategies,
                   std::optional<resilience::Pipeline>& to);
  resilience::PipelineBuilder builder(const char* name, const Strategies& strategies,
                                      std::shared_ptr<resilience::Listener> listener) const;

  const ShieldOptions options_;
  std::unique_ptr<resilience::Registry> registry_;
  std::optional<resilience::Pipeline> read_;
  std::optional<resilience::Pipeline> write_;
  /// Last: it looks at the circuits.
  Recovery recovery_;
};

}  // namespace weir::resilient
