#include <weir/resilience/timeout/timeout.hpp>

#include <fmt/format.h>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

Result<void> check(const TimeoutOptions& options) {
  return Check(options.name).in("after", options.after, 1ms, 24h).result();
}

std::optional<Instant> deadline_of(const TimeoutOptions& options, const Context& context,
                                   Instant now) {
  if (!options.after_generated) return later(now, options.after);
  const auto after = options.after_generated(context);
  if (!after || *after <= Duration::zero()) return std::nullopt;
  return later(now, *after);
}

Error timed_out(const TimeoutOptions& options) {
  return {.code = Code::deadline_exceeded,
          .reason = Reason::deadline_passed,
          .message = options.after_generated ? fmt::format("{}: no answer in time", options.name)
                                             : fmt::format("{}: no answer within {}", options.name,
                                                           in_words(options.after))};
}

}  // namespace weir::resilience
