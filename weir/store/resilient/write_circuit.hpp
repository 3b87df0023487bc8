#pragma once

#include <mutex>
#include <string>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/engine/append_policy.hpp>

namespace weir::resilient {

/// The strategies of a pipeline for what no single call can stand for: transactions, of which each
/// is a call to the circuit breaker, and the appends in them, of which each has its own timeout and
/// attempts.
/// Threads: any.
class WriteCircuit final : public engine::AppendPolicy {
 public:
  explicit WriteCircuit(resilience::Pipeline pipeline) : pipeline_(std::move(pipeline)) {}

  /// A transaction's way through the breaker. Whoever got one tells with leave() how it went; more
  /// than once, if it fails and goes on.
  struct Ticket {
    /// Keeps the breaker.
    resilience::CorePtr core;
    resilience::CircuitBreaker::Admission admission;
    Instant began;
  };
  /// Errors: unavailable (circuit_open), with retry_after and what failed last.
  Result<Ticket> enter();
  void leave(const Ticket& ticket, const Result<void>& result);

  /// When a transaction is to be given up whose first append was asked for at `asked_at`, and of
  /// whose callers nobody waits past `deadline`. At least a second from now: less than that would
  /// say nothing about the database.
  Instant give_up_at(Instant asked_at, const std::optional<Instant>& deadline) const;

  std::optional<Error> refuses() override;
  std::optional<Instant::duration> again(const Failed& append, const Error& error, Instant now,
                                         double chance) override;
  double chance() override;
  Error given_up(Error error) override;

 private:
  Error refused(std::optional<resilience::Duration> retry_after);
  std::optional<Instant::duration> delay(const resilience::Core& core, const Failed& append,
                                         const Error& error, Instant now, double chance) const;

  const resilience::Pipeline pipeline_;
  std::mutex mutex_;
  std::string last_error_;
};

}  // namespace weir::resilient
