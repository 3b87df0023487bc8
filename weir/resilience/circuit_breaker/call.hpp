#pragma once

#include <utility>

#include <weir/base/time.hpp>
#include <weir/resilience/circuit_breaker/circuit_breaker.hpp>
#include <weir/resilience/pipeline/landed.hpp>

namespace weir::resilience {

/// What call() does when the call did not simply succeed.
void record_outcome(CircuitBreaker& breaker, const CircuitBreaker::Admission& admission,
                    const Handled& handled, const Outcome& outcome, std::optional<Instant> began,
                    const Clock& clock);

/// Makes a call through a circuit breaker alone, for where a pipeline would be too much: no
/// Context, no events. `f` takes nothing and returns T or Result<T>; what it throws goes on.
/// Threads: any. A call that succeeds through a closed circuit allocates nothing.
/// Errors, beside those of the call: unavailable (circuit_open).
template <class F>
auto call(CircuitBreaker& breaker, const Clock& clock, const Handled& handled, F&& f)
    -> Result<detail::Value<decltype(f())>> {
  using T = detail::Value<decltype(f())>;
  auto word = breaker.admit_closed();
  std::uint64_t probe = 0;
  if (word) {
    if (breaker.needs_time()) breaker.roll(clock.instant());
  } else {
    const Instant now = clock.instant();
    const auto left = breaker.open_for(now);
    if (left > Duration::zero()) {
      return Result<T>(error_by, [&] { return circuit_is_open(left); });
    }
    const auto admission = breaker.admit(now);
    if (!admission) return circuit_is_open(admission.retry_after);
    word = admission.word;
    probe = admission.probe;
  }
  const auto record = [&](const Outcome& outcome, std::optional<Instant> began) {
    record_outcome(breaker, {.admitted = true, .word = *word, .probe = probe}, handled, outcome,
                   began, clock);
  };
  std::optional<Instant> began;
  if (breaker.watches_time()) began = clock.instant();
  try {
    Result<T> result = detail::returned<T>(f);
    if (result.ok() && !handled.values && !began && probe == 0) {
      breaker.succeed(*word);
    } else {
      record(detail::outcome_of(result), began);
    }
    return result;
  } catch (...) {
    const auto thrown = std::current_exception();
    record(Outcome::of_exception(thrown), began);
    throw;
  }
}

}  // namespace weir::resilience
