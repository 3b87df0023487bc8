#pragma once

#include <utility>

#include <weir/base/time.hpp>
#include <weir/resilience/circuit_breaker/circuit_breaker.hpp>
#include <weir/resilience/pipeline/landed.hpp>

namespace weir::resilience {

/// What call() does when the circuit is not closed, or the call did not simply succeed.
Error refused_by(const CircuitBreaker::Admission& admission);
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
  if (breaker.needs_time()) breaker.roll(clock.instant());
  CircuitBreaker::Admission admission;
  if (const auto word = breaker.admit_closed()) {
    admission.admitted = true;
    admission.word = *word;
  } else {
    admission = breaker.admit(clock.instant());
    if (!admission) return refused_by(admission);
  }
  std::optional<Instant> began;
  if (breaker.watches_time()) began = clock.instant();
  try {
    Result<T> result = detail::returned<T>(f);
    if (result.ok() && !handled.values && !began && admission.probe == 0) {
      breaker.succeed(admission.word);
    } else {
      record_outcome(breaker, admission, handled, detail::outcome_of(result), began, clock);
    }
    return result;
  } catch (...) {
    const auto thrown = std::current_exception();
    record_outcome(breaker, admission, handled, Outcome::of_exception(thrown), began, clock);
    throw;
  }
}

}  // namespace weir::resilience
