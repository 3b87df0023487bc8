#include <weir/resilience/circuit_breaker/call.hpp>

#include <weir/resilience/core/transient.hpp>

namespace weir::resilience {

void record_outcome(CircuitBreaker& breaker, const CircuitBreaker::Admission& admission,
                    const Handled& handled, const Outcome& outcome, std::optional<Instant> began,
                    const Clock& clock) {
  using Verdict = CircuitBreaker::Verdict;
  const Instant now = clock.instant();
  const Error* error = outcome.error();
  Verdict verdict = Verdict::success;
  if (handled.handles(outcome, unwell)) {
    verdict = Verdict::failure;
  } else if (error != nullptr &&
             (error->code == Code::cancelled || error->code == Code::resource_exhausted)) {
    verdict = Verdict::neither;
  }
  breaker.record(admission, verdict, began && breaker.is_slow(now - *began), now);
}

}  // namespace weir::resilience
