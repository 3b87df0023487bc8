#include <weir/resilience/circuit_breaker/circuit_breaker.hpp>

#include <algorithm>
#include <array>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

std::string_view name_of(CircuitBreaker::State state) {
  static constexpr std::array<std::string_view, 4> names = {"closed", "open", "half_open",
                                                            "isolated"};
  return names[static_cast<std::size_t>(state)];
}

Result<void> check(const CircuitBreakerOptions& options) {
  Check checking(options.name);
  if (options.failure_ratio) checking.above("failure_ratio", *options.failure_ratio, 0, 1);
  if (options.slow_call_ratio) checking.above("slow_call_ratio", *options.slow_call_ratio, 0, 1);
  return checking.in("calls_min", options.calls_min, 1, 1'000'000)
      .in("window", options.window, 100ms, 24h)
      .in_if<double>("window_calls", options.window_calls, 1, CountWindow::size_max)
      .that(!options.window_calls || options.calls_min <= *options.window_calls, "calls_min",
            "more than window_calls, so that it would never open")
      .in_if<double>("consecutive_failures", options.consecutive_failures, 1, 1'000'000)
      .in("slow_call", options.slow_call, 1ms, 24h)
      .in("successes_to_close", options.successes_to_close, 1, 100)
      .in("probes_max", options.probes_max, 1, 100)
      .in("probe_timeout", options.probe_timeout, 1ms, 24h)
      .in("open_for", options.open_for, 1ms, 24h)
      .that(options.failure_ratio || options.slow_call_ratio || options.consecutive_failures,
            "failure_ratio",
            "none; neither is there slow_call_ratio or consecutive_failures, so that it would "
            "never open")
      .result();
}

Result<std::unique_ptr<CircuitBreaker>> CircuitBreaker::create(
    const CircuitBreakerOptions& options) {
  WEIR_TRY(check(options));
  return std::unique_ptr<CircuitBreaker>(new CircuitBreaker(options));
}

CircuitBreaker::CircuitBreaker(const CircuitBreakerOptions& options)
    : by_time_(options.window), by_count_(options.window_calls.value_or(1)) {
  apply(options);
}

void CircuitBreaker::apply(const CircuitBreakerOptions& options) {
  options_ = options;
  probes_.reserve(static_cast<std::size_t>(options.probes_max));
  const bool ratio = options.failure_ratio || options.slow_call_ratio;
  counting_ = !ratio                 ? Counting::none
              : options.window_calls ? Counting::by_count
                                     : Counting::by_time;
  slow_call_ = options.slow_call_ratio ? options.slow_call.count() : 0;
}

Result<void> CircuitBreaker::reconfigure(const CircuitBreakerOptions& options) {
  WEIR_TRY(check(options));
  const std::lock_guard lock(mutex_);
  by_time_.set_length(options.window);
  if (options.window_calls) by_count_.set_size(*options.window_calls);
  apply(options);
  if (options.metrics_only && state() != State::isolated && state() != State::closed) {
    close_locked();
  }
  return {};
}

CircuitBreaker::Admission CircuitBreaker::admit(Instant now) {
  const auto word = word_.load(std::memory_order_acquire);
  if (state_of(word) == State::closed) {
    if (needs_time()) roll(now);
    return {.admitted = true, .word = word};
  }
  if (const auto left = open_for(now); left > Duration::zero()) return {.retry_after = left};
  return admit_probe(now);
}

CircuitBreaker::Admission CircuitBreaker::admit_probe(Instant now) {
  std::unique_lock lock(mutex_);
  Change change;
  const Instant until{Duration(open_until_.load(std::memory_order_relaxed))};
  switch (state()) {
    case State::closed:
      return {.admitted = true, .word = word_.load(std::memory_order_relaxed)};
    case State::isolated:
      return {};
    case State::open:
      if (now < until) return {.retry_after = retry_at(now) - now};
      change = turn(State::half_open);
      break;
    case State::half_open:
      if (overdue(now)) {
        change = open(now, lock);
        return {.retry_after = change.open_for, .change = change};
      }
      if (probes_.size() >= static_cast<std::size_t>(options_.probes_max)) {
        return {.retry_after = Duration::zero()};
      }
      break;
  }
  probes_.push_back({.number = ++last_probe_, .started = now});
  return {.admitted = true,
          .word = word_.load(std::memory_order_relaxed),
          .probe = last_probe_,
          .change = change};
}

bool CircuitBreaker::overdue(Instant now) const {
  return std::any_of(probes_.begin(), probes_.end(), [&](const Probe& probe) {
    return later(probe.started, options_.probe_timeout) <= now;
  });
}

CircuitBreaker::Change CircuitBreaker::record(const Admission& admission, Verdict verdict,
                                              bool slow, Instant now) {
  if (!admission.admitted) return {};
  if (state_of(admission.word) == State::closed) {
    if (verdict == Verdict::neither) return {};
    if (verdict == Verdict::success && !slow) {
      succeed(admission.word);
      return {};
    }
  }
  std::unique_lock lock(mutex_);
  if (word_.load(std::memory_order_relaxed) != admission.word) return {};  // of an earlier time
  if (state() == State::closed) {
    return record_closed(verdict, slow, now) ? open(now, lock) : Change{};
  }
  if (verdict == Verdict::success && slow) verdict = Verdict::failure;
  const auto to = record_probe(admission.probe, verdict);
  if (!to) return {};
  return *to == State::open ? open(now, lock) : close_locked();
}

/// Whether the circuit is to be opened.
bool CircuitBreaker::record_closed(Verdict verdict, bool slow, Instant now) {
  const bool failed = verdict == Verdict::failure;
  const auto counting = counting_.load(std::memory_order_relaxed);
  if (counting == Counting::by_time) by_time_.count(failed, slow, now);
  if (counting == Counting::by_count) by_count_.count(failed, slow);
  consecutive_.store(failed ? consecutive_.load(std::memory_order_relaxed) + 1 : 0,
                     std::memory_order_relaxed);
  return !options_.metrics_only && past_bounds();
}

std::optional<CircuitBreaker::State> CircuitBreaker::record_probe(std::uint64_t probe,
                                                                  Verdict verdict) {
  const auto found = std::find_if(probes_.begin(), probes_.end(),
                                  [&](const Probe& p) { return p.number == probe; });
  if (found == probes_.end()) return std::nullopt;  // told before
  probes_.erase(found);
  if (verdict == Verdict::failure) return State::open;
  if (verdict == Verdict::neither) return std::nullopt;
  if (++probe_successes_ < options_.successes_to_close) return std::nullopt;
  return State::closed;
}

bool CircuitBreaker::past_bounds() const {
  if (options_.consecutive_failures &&
      consecutive_.load(std::memory_order_relaxed) >= *options_.consecutive_failures) {
    return true;
  }
  const auto in_window = counts();
  if (in_window.calls < static_cast<std::uint64_t>(options_.calls_min)) return false;
  const auto share_of = [&](std::uint64_t some) {
    return static_cast<double>(some) / static_cast<double>(in_window.calls);
  };
  return (options_.failure_ratio && share_of(in_window.failures) >= *options_.failure_ratio) ||
         (options_.slow_call_ratio && share_of(in_window.slow) >= *options_.slow_call_ratio);
}

CallCounts CircuitBreaker::counts() const {
  switch (counting_.load(std::memory_order_relaxed)) {
    case Counting::by_time:
      return by_time_.counts();
    case Counting::by_count:
      return by_count_.counts();
    case Counting::none:
      break;
  }
  return {};
}

CircuitBreaker::Change CircuitBreaker::turn(State to) {
  const auto generation = (word_.load(std::memory_order_relaxed) >> 2) + 1;
  probes_.clear();
  probe_successes_ = 0;
  word_.store((generation << 2) | static_cast<std::uint64_t>(to), std::memory_order_release);
  return {.to = to, .generation = generation};
}

CircuitBreaker::Change CircuitBreaker::open(Instant now, std::unique_lock<std::mutex>& lock) {
  const Break why{.counts = counts(), .breaks = ++breaks_};
  const auto open_until = [&](Duration length) {
    open_until_.store(later(now, length).time_since_epoch().count(), std::memory_order_relaxed);
  };
  open_until(options_.open_for);
  const bool looked_at = look_after_ > Duration::zero();
  look_at_.store(looked_at ? later(now, look_after_).time_since_epoch().count() : 0,
                 std::memory_order_relaxed);
  auto change = turn(State::open);
  change.open_for = options_.open_for;
  if (options_.open_for_generated) {
    // The user's function may look at this breaker, so it runs without the lock; until it has
    // answered, the fixed duration holds.
    const auto generate = options_.open_for_generated;
    const auto word = word_.load(std::memory_order_relaxed);
    lock.unlock();
    change.open_for = std::clamp<Duration>(generate(why), 1ms, 24h);
    lock.lock();
    if (word_.load(std::memory_order_relaxed) == word) open_until(change.open_for);
  }
  return change;
}

CircuitBreaker::Change CircuitBreaker::close_locked() {
  if (state() == State::closed) return {};
  by_time_.reset();
  by_count_.reset();
  consecutive_ = 0;
  breaks_ = 0;
  return turn(State::closed);
}

CircuitBreaker::Change CircuitBreaker::isolate() {
  const std::lock_guard lock(mutex_);
  if (state() == State::isolated) return {};
  return turn(State::isolated);
}

CircuitBreaker::Change CircuitBreaker::close() {
  const std::lock_guard lock(mutex_);
  return close_locked();
}

CircuitBreaker::Change CircuitBreaker::force_open(Instant now) {
  std::unique_lock lock(mutex_);
  return open(now, lock);
}

CircuitBreaker::Change CircuitBreaker::try_half_open(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  const auto word = word_.load(std::memory_order_relaxed);
  if (state_of(word) != State::open || word >> 2 != generation) return {};
  return turn(State::half_open);
}

void CircuitBreaker::expect_look_after(Duration opening_to_look) {
  const std::lock_guard lock(mutex_);
  look_after_ = opening_to_look;
  if (opening_to_look <= Duration::zero()) look_at_ = 0;
}

void CircuitBreaker::expect_look(std::uint64_t generation, Instant at) {
  const std::lock_guard lock(mutex_);
  const auto word = word_.load(std::memory_order_relaxed);
  if (state_of(word) != State::open || word >> 2 != generation) return;
  look_at_.store(at.time_since_epoch().count(), std::memory_order_relaxed);
}

void CircuitBreaker::roll_slowly(Instant now) {
  const std::lock_guard lock(mutex_);
  by_time_.roll(now);
}

CircuitBreaker::Snapshot CircuitBreaker::snapshot(Instant now) {
  const std::lock_guard lock(mutex_);
  if (needs_time()) by_time_.roll(now);
  const auto word = word_.load(std::memory_order_relaxed);
  Snapshot snapshot{.state = state_of(word),
                    .counts = counts(),
                    .consecutive_failures = consecutive_.load(std::memory_order_relaxed),
                    .probes = static_cast<int>(probes_.size()),
                    .generation = word >> 2};
  if (snapshot.state == State::open) {
    snapshot.open_until = Instant(Duration(open_until_.load(std::memory_order_relaxed)));
    snapshot.retry_at = retry_at(now);
    snapshot.refuses = now < *snapshot.open_until;
  } else if (snapshot.state == State::half_open) {
    snapshot.refuses =
        probes_.size() >= static_cast<std::size_t>(options_.probes_max) && !overdue(now);
  } else {
    snapshot.refuses = snapshot.state == State::isolated;
  }
  return snapshot;
}

}  // namespace weir::resilience
