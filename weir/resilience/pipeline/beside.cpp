#include <weir/resilience/pipeline/beside.hpp>

#include <algorithm>

#include <weir/resilience/core/transient.hpp>

namespace weir::resilience::detail {

BesidePlan::BesidePlan(const Core& of, std::size_t index, const Context& context, Instant now)
    : core(of), level(of.levels[index]), deadline(context.deadline().value_or(Instant::max())) {
  if (level.kind == Kind::timeout) {
    const auto own = deadline_of(level.as<TimeoutOptions>(), context, now);
    own_deadline = own && *own <= deadline;
    if (own_deadline) deadline = *own;
    delay_of = [](int) { return std::nullopt; };
    return;
  }
  const auto& options = level.as<HedgingOptions>();
  attempts_max = options.attempts_max;
  delay_of = [&options, &context, this](int attempt) -> std::optional<Duration> {
    if (options.delay_generated) {
      const auto delay = options.delay_generated(attempt, context);
      return delay < Duration::zero() ? std::nullopt : std::optional(delay);
    }
    if (options.percentile) {
      const auto usual = level.with<LatencyHistogram>().percentile(*options.percentile);
      if (usual) return usual;
    }
    return options.delay;
  };
}

Error BesidePlan::time_over() const {
  return own_deadline ? timed_out(level.as<TimeoutOptions>()) : deadline_passed();
}

bool BesidePlan::is_answer(const Outcome& outcome) const {
  return level.kind != Kind::hedging ||
         !level.as<HedgingOptions>().handled.handles(outcome, transient);
}

void BesidePlan::tell_hedged(const Context& context, int attempt) const {
  Execution::tell(core, context,
                  {.kind = EventKind::hedged, .strategy = level.name(), .attempt = attempt});
}

void BesidePlan::tell_time_over(const Context& context, const Error& error) const {
  if (!own_deadline) return;
  Execution::tell(core, context,
                  {.kind = EventKind::timed_out,
                   .strategy = level.name(),
                   .duration = level.as<TimeoutOptions>().after,
                   .error = &error});
}

void BesidePlan::add_latency(Duration latency) const {
  if (level.kind == Kind::hedging) level.with<LatencyHistogram>().add(latency);
}

void News::tell() {
  const std::lock_guard lock(mutex_);
  source_.request_stop();
}

std::stop_token News::listen() {
  const std::lock_guard lock(mutex_);
  if (source_.stop_requested()) source_ = std::stop_source();
  return source_.get_token();
}

namespace {

class WaitingThread final : public Bulkhead::Waiter {
 public:
  void granted() override { source_.request_stop(); }
  std::stop_source& source() { return source_; }

 private:
  std::stop_source source_;
};

}  // namespace

bool wait_for_permit(Bulkhead& bulkhead, Instant until, const std::stop_token& stop,
                     Timers& timers) {
  WaitingThread waiter;
  switch (bulkhead.enter(waiter)) {
    case Bulkhead::Entry::admitted:
      return true;
    case Bulkhead::Entry::refused:
      return false;
    case Bulkhead::Entry::queued:
      break;
  }
  const auto wake = [&waiter] { waiter.source().request_stop(); };
  const std::stop_callback on_stop(stop, wake);
  timers.wait(until, waiter.source().get_token());
  return !bulkhead.abandon(waiter);
}

}  // namespace weir::resilience::detail
