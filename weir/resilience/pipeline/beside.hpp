#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include <weir/resilience/pipeline/run.hpp>

/// Attempts that run beside their caller, of hedging and of a pessimistic timeout.
namespace weir::resilience::detail {

/// How a level that runs beside is to be run, worked out from its options.
struct BesidePlan {
  BesidePlan(const Core& core, std::size_t index, const Context& context, Instant now);

  /// What is given when the time is over.
  Error time_over() const;
  bool is_answer(const Outcome& outcome) const;
  void tell_hedged(const Context& context, int attempt) const;
  void tell_time_over(const Context& context, const Error& error) const;
  void add_latency(Duration latency) const;

  const Core& core;
  const Level& level;
  int attempts_max = 1;
  Hedge::DelayOf delay_of;
  /// When the attempts' time is over: the level's own, or that of the call.
  Instant deadline = Instant::max();
  bool own_deadline = false;
};

/// Wakes one who waits with Timers::wait(): a stop is requested for every news.
class News {
 public:
  void tell();
  /// Before looking for news: what to wait on if there is none.
  std::stop_token listen();

 private:
  std::mutex mutex_;
  std::stop_source source_;
};

/// The attempts of one call. Shared by its caller and by those attempts that outlive it.
template <class T, class F>
struct Race {
  Race(CorePtr of, std::size_t index, const F& call, const Context& context, const BesidePlan& plan)
      : core(std::move(of)),
        first(index + 1),
        f(call),
        operation(context.operation()),
        key(context.key()),
        priority(context.priority()),
        deadline(plan.deadline == Instant::max() ? std::nullopt : std::optional(plan.deadline)),
        landed(static_cast<std::size_t>(plan.attempts_max)),
        stops(landed.size()) {}

  void run(int attempt) {
    const auto index = static_cast<std::size_t>(attempt - 1);
    const Call call{.operation = operation,
                    .deadline = deadline,
                    .stop = stops[index].get_token(),
                    .key = key,
                    .priority = priority};
    Context context(call, *core->clock, *core->timers, attempt);
    F own = f;
    run_levels(core, context, first, own, landed[index]);
    end(attempt);
  }
  void end(int attempt) {
    {
      const std::lock_guard lock(mutex);
      ended.push_back(attempt);
    }
    news.tell();
  }
  std::optional<int> next_ended() {
    const std::lock_guard lock(mutex);
    if (ended.empty()) return std::nullopt;
    const int attempt = ended.front();
    ended.pop_front();
    return attempt;
  }
  void stop_all() {
    for (auto& stop : stops) stop.request_stop();
  }

  const CorePtr core;
  const std::size_t first;
  const F f;
  const std::string operation;
  const std::string key;
  const Priority priority;
  const std::optional<Instant> deadline;
  std::vector<Landed<T>> landed;  // each written by its attempt, then read by the caller
  std::vector<std::stop_source> stops;
  News news;
  std::mutex mutex;
  std::deque<int> ended;
};

template <class T, class F>
void start_attempt(const std::shared_ptr<Race<T, F>>& race, int attempt) {
  if (race->core->executor->post([race, attempt] { race->run(attempt); })) return;
  race->landed[static_cast<std::size_t>(attempt - 1)].set(
      Result<T>(overloaded("no thread is free to run the call beside", {})));
  race->end(attempt);
}

/// Waits until an attempt ended, or `until`, or the caller stops.
template <class T, class F>
std::optional<int> wait_for_end(Race<T, F>& race, Instant until, const std::stop_token& caller) {
  while (true) {
    const auto token = race.news.listen();
    if (const auto attempt = race.next_ended()) return attempt;
    if (caller.stop_requested() || race.core->clock->instant() >= until) return std::nullopt;
    race.core->timers->wait(until, token);
  }
}

template <class T, class F>
void run_race(const BesidePlan& plan, const std::shared_ptr<Race<T, F>>& race, Context& context,
              const std::stop_token& caller, Landed<T>& out) {
  const Clock& clock = *plan.core.clock;
  const auto wake = [&race] { race->news.tell(); };
  const std::stop_callback on_stop(caller, wake);
  Hedge hedge(plan.attempts_max, plan.delay_of);
  std::vector<Instant> began(static_cast<std::size_t>(plan.attempts_max));
  while (true) {
    const auto now = clock.instant();
    const auto action = hedge.next(now);
    const auto index = static_cast<std::size_t>(std::max(1, action.attempt) - 1);
    if (action.act == Hedge::Act::start) {
      began[index] = now;
      if (action.attempt > 1) plan.tell_hedged(context, action.attempt);
      start_attempt(race, action.attempt);
    } else if (action.act == Hedge::Act::finish) {
      race->stop_all();
      out = std::move(race->landed[index]);
      return;
    } else if (const auto ended =
                   wait_for_end(*race, std::min(action.until, plan.deadline), caller)) {
      const auto which = static_cast<std::size_t>(*ended - 1);
      const bool answer = plan.is_answer(race->landed[which].view());
      if (answer) plan.add_latency(clock.instant() - began[which]);
      hedge.ended(*ended, !answer);
    } else if (caller.stop_requested()) {
      race->stop_all();
      out.set(Result<T>(cancelled()));
      return;
    } else if (clock.instant() >= plan.deadline) {
      race->stop_all();
      const auto error = plan.time_over();
      plan.tell_time_over(context, error);
      out.set(Result<T>(error));
      return;
    }
  }
}

template <class T, class F>
void run_beside(const CorePtr& core, Context& context, std::size_t index, F& f, Landed<T>& out) {
  using Owned = std::remove_cvref_t<F>;
  if constexpr (!std::is_copy_constructible_v<Owned>) {
    out.set(Result<T>(Error{.code = Code::failed_precondition,
                            .message = core->levels[index].name() +
                                       ": runs a copy of the call, which cannot be copied"}));
  } else {
    const BesidePlan plan(*core, index, context, context.now());
    const auto race = std::make_shared<Race<T, Owned>>(core, index, f, context, plan);
    run_race(plan, race, context, context.caller_stop(), out);
  }
}

}  // namespace weir::resilience::detail
