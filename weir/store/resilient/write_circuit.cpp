#include <weir/store/resilient/write_circuit.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/resilience/core/transient.hpp>
#include <weir/resilience/retry/retry.hpp>
#include <weir/store/resilient/circuit.hpp>
#include <weir/store/resilient/operation.hpp>

namespace weir::resilient {
namespace {

using resilience::CircuitBreaker;
using resilience::Core;
using resilience::EventKind;
using resilience::Kind;
using resilience::Level;
using resilience::Outcome;

constexpr std::string_view operation = "append";
constexpr std::chrono::seconds transaction_time_min{1};

CircuitBreaker::Verdict verdict_of(const Level& level, const Result<void>& result) {
  if (result) return CircuitBreaker::Verdict::success;
  const auto& error = result.error();
  const auto& handled = level.as<resilience::CircuitBreakerOptions>().handled;
  if (handled.handles(Outcome::of_error(error), resilience::unwell)) {
    return CircuitBreaker::Verdict::failure;
  }
  const bool says_nothing = error.code == Code::cancelled || error.code == Code::resource_exhausted;
  return says_nothing ? CircuitBreaker::Verdict::neither : CircuitBreaker::Verdict::success;
}

}  // namespace

Result<WriteCircuit::Ticket> WriteCircuit::enter() {
  Ticket ticket{.core = pipeline_.core(), .admission = {}, .began = {}};
  const auto& core = *ticket.core;
  const auto& level = level_of(core, Kind::circuit_breaker);
  ticket.began = core.clock->instant();
  ticket.admission = level.with<CircuitBreaker>().admit(ticket.began);
  tell_change(core, level, operation, ticket.admission.change);
  if (ticket.admission) return ticket;
  auto error = with_advice(refused(ticket.admission.retry_after), pipeline_);
  tell(core, level, operation, {.kind = EventKind::rejected, .error = &error});
  return error;
}

Error WriteCircuit::refused(std::optional<resilience::Duration> retry_after) {
  Error error{.code = Code::unavailable, .reason = Reason::circuit_open};
  {
    const std::lock_guard lock(mutex_);
    error.message = fmt::format("the database failed too often and is not asked for now; last: {}",
                                last_error_);
  }
  if (retry_after) error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*retry_after);
  return error;
}

void WriteCircuit::leave(const Ticket& ticket, const Result<void>& result) {
  const auto& core = *ticket.core;
  const auto& level = level_of(core, Kind::circuit_breaker);
  auto& breaker = level.with<CircuitBreaker>();
  if (!result) {
    const std::lock_guard lock(mutex_);
    last_error_ = result.error().message;
  } else if (const auto& retry = level_of(core, Kind::retry).as<resilience::RetryOptions>();
             retry.budget) {
    retry.budget->succeeded();
  }
  const auto now = core.clock->instant();
  tell_change(core, level, operation,
              breaker.record(ticket.admission, verdict_of(level, result),
                             breaker.is_slow(now - ticket.began), now));
}

Instant WriteCircuit::give_up_at(Instant asked_at, const std::optional<Instant>& deadline) const {
  const auto core = pipeline_.core();
  const auto& timeout = level_of(*core, Kind::timeout).as<resilience::TimeoutOptions>();
  auto at = resilience::later(asked_at, timeout.after);
  if (deadline) at = std::min(at, *deadline);
  return std::max(at, core->clock->instant() + transaction_time_min);
}

std::optional<Error> WriteCircuit::refuses() {
  const auto core = pipeline_.core();
  const auto refusal = refusal_of(*core);
  if (!refusal) return std::nullopt;
  auto error = with_advice(refused(refusal->retry_after), pipeline_);
  tell(*core, level_of(*core, Kind::circuit_breaker), operation,
       {.kind = EventKind::rejected, .error = &error});
  return error;
}

std::optional<Instant::duration> WriteCircuit::again(const Failed& append, const Error& error,
                                                     Instant now, double chance) {
  const auto core = pipeline_.core();
  const auto& level = level_of(*core, Kind::retry);
  if (const auto& budget = level.as<resilience::RetryOptions>().budget) {
    budget->failed();
    if (!budget->may_retry()) return std::nullopt;
  }
  const auto wait = delay(*core, append, error, now, chance);
  if (wait) {
    tell(*core, level, operation,
         {.kind = EventKind::retried,
          .attempt = append.attempts,
          .duration = *wait,
          .error = &error});
  }
  return wait;
}

std::optional<Instant::duration> WriteCircuit::delay(const Core& core, const Failed& append,
                                                     const Error& error, Instant now,
                                                     double chance) const {
  auto options = level_of(core, Kind::retry).as<resilience::RetryOptions>();
  options.budget = nullptr;
  const auto outcome = Outcome::of_error(error);
  if (!options.handled.handles(outcome, resilience::transient)) return std::nullopt;
  const auto& timeout = level_of(core, Kind::timeout).as<resilience::TimeoutOptions>();
  auto latest = resilience::later(append.asked_at, timeout.after);
  if (append.deadline) latest = std::min(latest, *append.deadline);
  resilience::Retrying retrying(append.asked_at, options, append.attempts - 1, chance);
  const auto decision = retrying.failed(options, outcome, now, latest, chance);
  if (!decision.again) return std::nullopt;
  return decision.delay;
}

Error WriteCircuit::given_up(Error error) {
  return with_advice(std::move(error), pipeline_);
}

double WriteCircuit::chance() {
  return pipeline_.core()->chance->next();
}

}  // namespace weir::resilient
