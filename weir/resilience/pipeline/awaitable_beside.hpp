#pragma once

#include <deque>

#include <weir/resilience/pipeline/awaitable.hpp>

/// Attempts that run beside their caller, as coroutines on its executor.
namespace weir::resilience::detail {

/// The attempts of one call, all on one executor. Shared by its caller and by those attempts that
/// outlive it.
template <class T, class F>
struct AwaitedRace {
  AwaitedRace(CorePtr of, std::size_t index, const F& call, const Context& context,
              const BesidePlan& plan, const asio::any_io_executor& executor)
      : core(std::move(of)),
        first(index + 1),
        f(call),
        operation(context.operation()),
        key(context.key()),
        priority(context.priority()),
        deadline(plan.deadline == Instant::max() ? std::nullopt : std::optional(plan.deadline)),
        landed(static_cast<std::size_t>(plan.attempts_max)),
        cancels(landed.size()),
        news(executor) {}

  std::optional<int> next_ended() {
    if (ended.empty()) return std::nullopt;
    const int attempt = ended.front();
    ended.pop_front();
    return attempt;
  }
  /// Asks those that still run to end.
  void cancel_all() {
    for (auto& cancel : cancels) cancel.emit(asio::cancellation_type::terminal);
  }

  const CorePtr core;
  const std::size_t first;
  F f;
  const std::string operation;
  const std::string key;
  const Priority priority;
  const std::optional<Instant> deadline;
  std::vector<Landed<T>> landed;
  std::deque<asio::cancellation_signal> cancels;  // they cannot be moved
  std::deque<int> ended;
  Alarm news;
};

template <class T, class F>
Coroutine<void> run_attempt(std::shared_ptr<AwaitedRace<T, F>> race, int attempt) {
  const auto index = static_cast<std::size_t>(attempt - 1);
  const Call call{.operation = race->operation,
                  .deadline = race->deadline,
                  .key = race->key,
                  .priority = race->priority};
  Context context(call, *race->core->clock, *race->core->timers, attempt);
  F own = race->f;
  try {
    co_await run_levels_awaited(race->core, context, race->first, own, race->landed[index]);
  } catch (...) {
    race->landed[index].set_exception();  // it was cancelled while a strategy waited
  }
  race->ended.push_back(attempt);
  race->news.ring();
}

template <class T, class F>
Coroutine<void> run_awaited_race(const BesidePlan& plan, std::shared_ptr<AwaitedRace<T, F>> race,
                                 Context& context, Landed<T>& out) {
  const Clock& clock = *plan.core.clock;
  const auto executor = co_await asio::this_coro::executor;
  const auto& stop = context.caller_stop();
  const std::stop_callback on_stop(stop, Ring{race->news});
  Hedge hedge(plan.attempts_max, plan.delay_of);
  std::vector<Instant> began(static_cast<std::size_t>(plan.attempts_max));
  while (true) {
    const auto now = clock.instant();
    const auto action = hedge.next(now);
    const auto index = static_cast<std::size_t>(std::max(1, action.attempt) - 1);
    if (action.act == Hedge::Act::start) {
      began[index] = now;
      if (action.attempt > 1) plan.tell_hedged(context, action.attempt);
      // Asio looks at the slot once more when the coroutine has ended: the handler keeps it.
      asio::co_spawn(executor, run_attempt(race, action.attempt),
                     asio::bind_cancellation_slot(race->cancels[index].slot(),
                                                  [race](const std::exception_ptr&) {}));
    } else if (action.act == Hedge::Act::finish) {
      race->cancel_all();
      out = std::move(race->landed[index]);
      co_return;
    } else if (const auto ended = race->next_ended()) {
      const auto which = static_cast<std::size_t>(*ended - 1);
      const bool answer = plan.is_answer(race->landed[which].view());
      if (answer) plan.add_latency(clock.instant() - began[which]);
      hedge.ended(*ended, !answer);
    } else if (stop.stop_requested()) {
      race->cancel_all();
      out.set(Result<T>(cancelled()));
      co_return;
    } else if (now >= plan.deadline) {
      race->cancel_all();
      const auto error = plan.time_over();
      plan.tell_time_over(context, error);
      out.set(Result<T>(error));
      co_return;
    } else {
      co_await race->news.wait(std::min(action.until, plan.deadline));
    }
  }
}

template <class T, class F>
Coroutine<void> run_beside_awaited(CorePtr core, Context& context, std::size_t index, F& f,
                                   Landed<T>& out) {
  if constexpr (!std::is_copy_constructible_v<F>) {
    out.set(Result<T>(Error{.code = Code::failed_precondition,
                            .message = core->levels[index].name() +
                                       ": runs a copy of the call, which cannot be copied"}));
    co_return;
  } else {
    const BesidePlan plan(*core, index, context, context.now());
    const auto race = std::make_shared<AwaitedRace<T, F>>(core, index, f, context, plan,
                                                          co_await asio::this_coro::executor);
    co_await run_awaited_race(plan, race, context, out);
  }
}

}  // namespace weir::resilience::detail
