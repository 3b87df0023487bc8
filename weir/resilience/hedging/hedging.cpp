#include <weir/resilience/hedging/hedging.hpp>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;

Result<void> check(const HedgingOptions& options) {
  Check checking(options.name);
  if (options.percentile) {
    checking.that(*options.percentile > 0 && *options.percentile < 1, "percentile",
                  "must be more than 0 and less than 1");
  }
  return checking.in("attempts_max", options.attempts_max, 2, 10)
      .in_if<Duration>("delay", options.delay, 0h, 24h)
      .result();
}

Hedge::Action Hedge::next(Instant now) {
  if (answered_) return {.act = Act::finish, .attempt = *answered_};
  const bool due = started_ == 0 || failed_since_start_ || now >= next_start_;
  if (started_ < attempts_max_ && due) {
    ++started_;
    ++running_;
    failed_since_start_ = false;
    const auto delay = started_ < attempts_max_ ? delay_of_(started_ + 1) : std::nullopt;
    next_start_ = delay ? later(now, *delay) : Instant::max();
    return {.act = Act::start, .attempt = started_};
  }
  if (running_ == 0) return {.act = Act::finish, .attempt = last_failed_};
  return {.act = Act::wait, .until = started_ < attempts_max_ ? next_start_ : Instant::max()};
}

void Hedge::ended(int attempt, bool handled) {
  --running_;
  if (!handled) {
    if (!answered_) answered_ = attempt;
  } else {
    last_failed_ = attempt;
    failed_since_start_ = true;
  }
}

}  // namespace weir::resilience
