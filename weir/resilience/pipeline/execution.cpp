#include <weir/resilience/pipeline/execution.hpp>

#include <algorithm>
#include <new>

#include <fmt/format.h>

#include <weir/resilience/core/transient.hpp>

namespace weir::resilience {
namespace {

using std::chrono::milliseconds;

/// Nearly always called with a value that no predicate looks at.
inline bool handles(const Handled& handled, const Outcome& outcome,
                    bool (*default_errors)(const Error&)) {
  if (outcome.ok() && !handled.values) return false;
  return handled.handles(outcome, default_errors);
}

milliseconds rounded_up(Duration duration) {
  return std::chrono::ceil<milliseconds>(std::min<Duration>(duration, std::chrono::hours(24)));
}

Error refusal(std::string_view what, std::optional<Duration> retry_after) {
  Error error{
      .code = Code::resource_exhausted, .reason = Reason::overloaded, .message = std::string(what)};
  if (retry_after) error.retry_after = rounded_up(*retry_after);
  return error;
}

/// An outcome that says nothing of how the callee is: nobody waited for it, or it was not asked.
bool says_nothing(const Outcome& outcome) {
  const Error* error = outcome.error();
  return error != nullptr &&
         (error->code == Code::cancelled || error->code == Code::resource_exhausted);
}

EventKind event_of(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::closed:
      return EventKind::closed;
    case CircuitBreaker::State::half_open:
      return EventKind::half_opened;
    default:
      return EventKind::opened;
  }
}

}  // namespace

void Execution::tell(const Core& core, const Context& context, Event event) {
  if (!core.listener) return;
  event.pipeline = core.name;
  event.operation = context.operation();
  if (event.kind != EventKind::hedged) event.attempt = context.attempt();
  core.listener->on_event(event);
}

bool Execution::look_before_start() {
  if (core_.wants_calls) began_ = context_.now();
  if (context_.caller_stopped()) {
    error_ = cancelled();
  } else if (context_.deadline_ != Instant::max() && context_.now() >= context_.deadline_) {
    error_ = deadline_passed();
  } else {
    return true;
  }
  finish(Outcome::of_error(*error_));
  return false;
}

void Execution::leave_slowly(const Core& core, Context& context, const Frames& frames,
                             std::size_t level) {
  context.forget_time();
  Execution execution(core, context, frames, level + 1);
  auto outcome = Outcome::of_success();
  execution.leave(level, outcome);
  execution.depth_ = 0;
}

Step Execution::go_in(std::size_t level) {
  if (level < end_ && core_.hot[level].kind == Kind::circuit_breaker && refused_quickly(level)) {
    return error_ ? come_out_failed(level) : Step{.what = Step::Do::finish};
  }
  for (depth_ = level; depth_ < end_; ++depth_) {
    if (enter(depth_)) continue;
    if (step_.what != Step::Do::finish) return step_;
    return come_out_failed(depth_);
  }
  return {.what = Step::Do::invoke};
}

Step Execution::come_out(std::size_t level, Outcome& outcome) {
  for (depth_ = level; depth_ > first_;) {
    --depth_;
    if (!leave(depth_, outcome)) return step_;
  }
  return finish(outcome);
}

/// With error_ for an outcome.
Step Execution::come_out_failed(std::size_t level) {
  auto outcome = Outcome::of_error(*error_);
  return come_out(level, outcome);
}

void Execution::abandon() {
  const Error gone = cancelled();
  auto outcome = Outcome::of_error(gone);
  while (depth_ > first_) {
    const Kind kind = core_.levels[--depth_].kind;
    if (kind != Kind::retry && kind != Kind::fallback) leave(depth_, outcome);
  }
}

Step Execution::finish(const Outcome& outcome) {
  if (core_.wants_calls && first_ == 0) {
    tell(core_, context_,
         {.kind = EventKind::finished,
          .duration = context_.now() - began_,
          .error = outcome.error(),
          .ok = outcome.ok()});
  }
  return {.what = Step::Do::finish};
}

Step Execution::invoked(const Outcome& outcome) {
  context_.forget_time();
  if (core_.wants_calls && end_ == core_.levels.size()) tell_attempt(outcome);
  Outcome own = outcome;
  return come_out(end_, own);
}

Step Execution::waited(bool to_the_end) {
  context_.forget_time();
  if (to_the_end) return go_in(pending_ + 1);
  error_ = cancelled();
  // The retry that waited is done; chaos has nothing to undo.
  if (core_.levels[pending_].kind == Kind::retry) {
    context_.attempt_ = frames_[pending_].retry.outer_attempt;
  }
  return come_out_failed(pending_);
}

Step Execution::granted(bool permit) {
  context_.forget_time();
  if (permit) return go_in(pending_ + 1);
  const Level& level = core_.levels[pending_];
  if (context_.caller_stopped()) {
    error_ = cancelled();
  } else {
    reject(level, refusal(fmt::format("{}: no permit in time", level.name()), std::nullopt));
  }
  return come_out_failed(pending_);
}

Step Execution::replaced(const Outcome& outcome) {
  error_.reset();
  Outcome own = outcome;
  return come_out(pending_, own);
}

Instant Execution::now_again() {
  context_.forget_time();
  return context_.now();
}

bool Execution::stop_at(Step step) {
  step_ = step;
  pending_ = step.level;
  return false;
}

bool Execution::reject(const Level& level, Error error) {
  error_ = std::move(error);
  return rejected(level);
}

bool Execution::rejected(const Level& level) {
  step_.what = Step::Do::finish;
  if (!core_.listener) return false;
  tell(core_, context_, {.kind = EventKind::rejected, .strategy = level.name(), .error = &*error_});
  return false;
}

bool Execution::enter(std::size_t index) {
  const Level& level = core_.levels[index];
  Frame& frame = frames_[index];
  switch (level.kind) {
    case Kind::retry:
      new (&frame.retry) Retry{
          .retrying = Retrying(level.as<RetryOptions>().total_max ? context_.now() : Instant{}),
          .outer_attempt = context_.attempt_};
      context_.attempt_ = 1;
      return true;
    case Kind::circuit_breaker:
      return enter_circuit(level, frame);
    case Kind::timeout:
      enter_timeout(level.as<TimeoutOptions>(), frame);
      return true;
    case Kind::bulkhead:
      return level.with<Bulkhead>().try_enter() || enter_bulkhead(level, index);
    case Kind::rate_limiter: {
      const auto admission = level.with<RateLimiter>().admit(context_.now(), context_.key());
      return admission || reject(level, refusal("over the rate", admission.retry_after));
    }
    case Kind::adaptive_limit:
      frame.started = context_.now();
      return level.with<AdaptiveLimit>().try_enter() ||
             reject(level, refusal("over the limit", std::nullopt));
    case Kind::load_shedding:
      return enter_shedding(level);
    case Kind::fallback:
    case Kind::hedging:
      return true;
    default:
      return enter_chaos(level, index);
  }
}

/// Whether a circuit is open, and stays so for now.
inline bool Execution::refused_quickly(std::size_t index) {
  const auto& breaker = *static_cast<const CircuitBreaker*>(core_.hot[index].machine);
  if (breaker.state() != CircuitBreaker::State::open) return false;
  const auto left = breaker.open_for(context_.now());
  if (left == Duration::zero()) return false;
  depth_ = index;
  if (index == first_ && !core_.listener) {
    open_for_ = left;
    return true;
  }
  error_.emplace(circuit_is_open(left));
  rejected(core_.levels[index]);
  return true;
}

bool Execution::enter_circuit(const Level& level, Frame& frame) {
  auto& breaker = level.with<CircuitBreaker>();
  frame.breaker.probe = 0;
  if (const auto word = breaker.admit_closed()) {
    frame.breaker.word = *word;
  } else {
    const auto admission = breaker.admit(context_.now());
    tell_change(level, admission.change);
    if (!admission) {
      return reject(level, circuit_is_open(admission.retry_after));
    }
    frame.breaker.word = admission.word;
    frame.breaker.probe = admission.probe;
  }
  if (breaker.watches_time()) frame.breaker.started = context_.now();
  return true;
}

void Execution::enter_timeout(const TimeoutOptions& options, Frame& frame) {
  const auto own = deadline_of(options, context_, context_.now());
  frame.timeout.outer = context_.deadline_;
  frame.timeout.own = own.value_or(Instant::max());
  context_.set_deadline(std::min(frame.timeout.outer, frame.timeout.own));
}

bool Execution::enter_bulkhead(const Level& level, std::size_t index) {
  const auto& options = level.as<BulkheadOptions>();
  if (options.queue_max == 0) {
    return reject(level, refusal(fmt::format("{}: no permit", level.name()), std::nullopt));
  }
  return stop_at({.what = Step::Do::queue,
                  .level = static_cast<std::uint8_t>(index),
                  .until = std::min(later(context_.now(), options.wait_max), context_.deadline_)});
}

bool Execution::enter_shedding(const Level& level) {
  auto& shedder = level.with<LoadShedder>();
  const bool timed = shedder.needs_time();
  if (shedder.try_enter(context_.priority(), timed ? context_.now() : Instant{},
                        timed ? core_.chance->next() : 0)) {
    return true;
  }
  return reject(level, refusal("load is shed", std::nullopt));
}

bool Execution::enter_chaos(const Level& level, std::size_t index) {
  const double chance = core_.chance->next();
  const auto at = static_cast<std::uint8_t>(index);
  const auto injected = [&](const Injection& injection) {
    if (!injects(injection, context_, chance)) return false;
    tell(core_, context_, {.kind = EventKind::injected, .strategy = level.name()});
    return true;
  };
  switch (level.kind) {
    case Kind::chaos_fault: {
      const auto& options = level.as<ChaosFaultOptions>();
      if (!injected(options.injection)) return true;
      if (options.exception) return stop_at({.what = Step::Do::answer, .level = at});
      error_ = options.error;
      step_.what = Step::Do::finish;
      return false;
    }
    case Kind::chaos_outcome:
      if (!injected(level.as<ErasedChaosOutcome>().injection)) return true;
      return stop_at({.what = Step::Do::answer, .level = at});
    case Kind::chaos_latency: {
      const auto& options = level.as<ChaosLatencyOptions>();
      if (!injected(options.injection)) return true;
      return stop_at(
          {.what = Step::Do::wait, .level = at, .until = later(now_again(), options.latency)});
    }
    default:
      if (injected(level.as<ChaosBehaviourOptions>().injection)) {
        level.as<ChaosBehaviourOptions>().behaviour(context_);
      }
      return true;
  }
}

bool Execution::leave(std::size_t index, Outcome& outcome) {
  const Level& level = core_.levels[index];
  const Frame& frame = frames_[index];
  switch (level.kind) {
    case Kind::retry:
      return leave_retry(index, outcome);
    case Kind::circuit_breaker:
      leave_breaker(level, frame, outcome);
      return true;
    case Kind::timeout:
      leave_timeout(level, frame, outcome);
      return true;
    case Kind::bulkhead:
      level.with<Bulkhead>().leave();
      return true;
    case Kind::adaptive_limit:
      leave_adaptive(level, frame, outcome);
      return true;
    case Kind::load_shedding: {
      auto& shedder = level.with<LoadShedder>();
      const bool accepted = !handles(level.as<LoadSheddingOptions>().handled, outcome, refused);
      shedder.leave(accepted, shedder.needs_time() ? context_.now() : Instant{});
      return true;
    }
    case Kind::fallback:
      return leave_fallback(index, outcome);
    default:
      return true;
  }
}

bool Execution::gave_up(const Outcome& outcome) const {
  return !outcome.ok() && context_.caller_stopped();
}

bool Execution::leave_retry(std::size_t index, const Outcome& outcome) {
  const Level& level = core_.levels[index];
  const auto& options = level.as<RetryOptions>();
  auto& frame = frames_[index].retry;
  if (!handles(options.handled, outcome, transient) || gave_up(outcome)) {
    if (options.budget && outcome.ok()) options.budget->succeeded();
    context_.attempt_ = frame.outer_attempt;
    return true;
  }
  const auto now = context_.now();
  const auto decision =
      frame.retrying.failed(options, outcome, now, context_.deadline_, core_.chance->next());
  if (!decision.again) {
    context_.attempt_ = frame.outer_attempt;
    return true;
  }
  tell(core_, context_,
       {.kind = EventKind::retried,
        .strategy = level.name(),
        .duration = decision.delay,
        .error = outcome.error()});
  error_.reset();
  context_.attempt_ = frame.retrying.attempt();
  const bool at_once = decision.delay == Duration::zero();
  return stop_at({.what = at_once ? Step::Do::again : Step::Do::wait,
                  .level = static_cast<std::uint8_t>(index),
                  .until = later(now, decision.delay)});
}

bool Execution::leave_fallback(std::size_t index, const Outcome& outcome) {
  const Level& level = core_.levels[index];
  if (!handles(level.as<ErasedFallback>().handled, outcome, any_error) || gave_up(outcome)) {
    return true;
  }
  tell(core_, context_,
       {.kind = EventKind::fell_back, .strategy = level.name(), .error = outcome.error()});
  return stop_at({.what = Step::Do::fall_back, .level = static_cast<std::uint8_t>(index)});
}

void Execution::leave_breaker(const Level& level, const Frame& frame, const Outcome& outcome) {
  using Verdict = CircuitBreaker::Verdict;
  auto& breaker = level.with<CircuitBreaker>();
  const auto& options = level.as<CircuitBreakerOptions>();
  Verdict verdict = Verdict::success;
  if (handles(options.handled, outcome, unwell)) {
    verdict = gave_up(outcome) ? Verdict::neither : Verdict::failure;
  } else if (says_nothing(outcome) || gave_up(outcome)) {
    verdict = Verdict::neither;
  }
  const auto& told = frame.breaker;
  const bool watched = breaker.watches_time();
  if (verdict == Verdict::success && told.probe == 0 && !watched) {
    breaker.succeed(told.word);
    return;
  }
  const auto now = context_.now();
  const bool slow = watched && breaker.is_slow(now - told.started);
  tell_change(level, breaker.record({.admitted = true, .word = told.word, .probe = told.probe},
                                    verdict, slow, now));
}

void Execution::leave_timeout(const Level& level, const Frame& frame, Outcome& outcome) {
  const auto& [outer, own] = frame.timeout;
  context_.set_deadline(outer);
  const Error* error = outcome.error();
  if (error == nullptr || own > outer || own == Instant::max()) return;
  const bool stopped = error->code == Code::deadline_exceeded || error->code == Code::cancelled;
  if (!stopped || context_.caller_stopped() || context_.now() < own) return;
  const auto& options = level.as<TimeoutOptions>();
  error_ = timed_out(options);
  outcome = Outcome::of_error(*error_);
  tell(core_, context_,
       {.kind = EventKind::timed_out,
        .strategy = level.name(),
        .duration = options.after,
        .error = &*error_});
}

void Execution::leave_adaptive(const Level& level, const Frame& frame, const Outcome& outcome) {
  using Verdict = AdaptiveLimit::Verdict;
  Verdict verdict = Verdict::success;
  if (handles(level.as<AdaptiveLimitOptions>().handled, outcome, unwell)) {
    verdict = Verdict::dropped;
  } else if (says_nothing(outcome)) {
    verdict = Verdict::neither;
  }
  if (gave_up(outcome)) verdict = Verdict::neither;
  const auto now = context_.now();
  level.with<AdaptiveLimit>().leave(verdict, now - frame.started, now, core_.chance->next());
}

void Execution::tell_change(const Level& level, const CircuitBreaker::Change& change) {
  if (!change.to) return;
  tell(core_, context_,
       {.kind = event_of(*change.to),
        .strategy = level.name(),
        .duration = change.open_for,
        .sequence = change.generation});
}

void Execution::tell_attempt(const Outcome& outcome) {
  tell(core_, context_,
       {.kind = EventKind::attempted,
        .duration = context_.now() - began_,
        .error = outcome.error(),
        .ok = outcome.ok()});
}

}  // namespace weir::resilience
