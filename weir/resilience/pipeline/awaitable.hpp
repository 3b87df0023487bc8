#pragma once

#include <memory>
#include <tuple>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <weir/resilience/pipeline/pipeline.hpp>

// GCC 12 takes the way in which Asio allocates the frames of coroutines for a mistake. It says so
// where frames are made, which is also where this header is used, so it stays off.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

/// Runs calls that are coroutines: the other thin shell around Execution. Include it where a
/// pipeline runs a function that returns boost::asio::awaitable.
///
/// A deadline, and the caller's stop, cancel the call by Asio's cancellation (terminal), after
/// which it has failed with deadline_exceeded or cancelled. Attempts of hedging run beside each
/// other on the same executor. Where there is a deadline, a stop token or something beside, that
/// executor must be a strand or have one thread, as Asio asks of parallel operations. What run()
/// gives is for co_await; co_spawn() takes a coroutine around it, since a Result has no default.
namespace weir::resilience::detail {

namespace asio = boost::asio;

template <class R>
using Coroutine = asio::awaitable<R>;

inline constexpr auto no_throw = asio::experimental::as_tuple(asio::use_awaitable);

/// A timer that others may end early, from any thread.
class Alarm {
 public:
  explicit Alarm(const asio::any_io_executor& executor)
      : timer_(std::make_shared<asio::steady_timer>(executor)) {}

  /// Until `until`, or ring().
  Coroutine<void> wait(Instant until) {
    timer_->expires_at(until);
    co_await timer_->async_wait(no_throw);
  }
  void ring() const {
    asio::post(timer_->get_executor(), [timer = timer_] { timer->cancel(); });
  }

 private:
  std::shared_ptr<asio::steady_timer> timer_;
};

struct Ring {
  Alarm alarm;
  void operator()() const { alarm.ring(); }
};

/// Waits for `until` or a stop. True: to the end.
inline Coroutine<bool> wait_for(Timers& timers, Instant until, const std::stop_token& stop) {
  if (!timers.blocks()) co_return timers.wait(until, stop);
  Alarm alarm(co_await asio::this_coro::executor);
  const std::stop_callback on_stop(stop, Ring{alarm});
  if (!stop.stop_requested()) co_await alarm.wait(until);
  co_return !stop.stop_requested();
}

/// A place in a bulkhead's queue, or a permit nobody has taken over yet.
class PermitAwaited final : public Bulkhead::Waiter {
 public:
  PermitAwaited(Bulkhead& bulkhead, Alarm alarm) : bulkhead_(bulkhead), alarm_(std::move(alarm)) {}
  ~PermitAwaited() override {
    if (entry_ == Bulkhead::Entry::queued && !bulkhead_.abandon(*this)) bulkhead_.leave();
  }
  void granted() override { alarm_.ring(); }

  Coroutine<bool> wait(Instant until, const std::stop_token& stop) {
    entry_ = bulkhead_.enter(*this);
    if (entry_ != Bulkhead::Entry::queued) co_return entry_ == Bulkhead::Entry::admitted;
    const std::stop_callback on_stop(stop, Ring{alarm_});
    co_await alarm_.wait(until);
    entry_ = Bulkhead::Entry::refused;
    co_return !bulkhead_.abandon(*this);
  }

 private:
  Bulkhead& bulkhead_;
  Alarm alarm_;
  Bulkhead::Entry entry_ = Bulkhead::Entry::refused;
};

template <class T, class F>
Coroutine<void> make_awaited(F& f, Context& context, Landed<T>& out) {
  try {
    if constexpr (std::is_same_v<Returned<F>, asio::awaitable<void>>) {
      co_await call(f, context);
      out.set(Result<T>());
    } else {
      out.set(Result<T>(co_await call(f, context)));
    }
  } catch (...) {
    out.set_exception();
  }
}

/// Makes the call, and cancels it at its deadline and when its caller stops.
template <class T, class F>
Coroutine<void> make_within(F& f, Context& context, Landed<T>& out) {
  const auto deadline = context.deadline();
  if (!deadline && !context.caller_stop().stop_possible()) {
    co_await make_awaited(f, context, out);
    co_return;
  }
  using namespace asio::experimental::awaitable_operators;
  Alarm alarm(co_await asio::this_coro::executor);
  const std::stop_callback on_stop(context.caller_stop(), Ring{alarm});
  const auto first =
      co_await (make_awaited(f, context, out) || alarm.wait(deadline.value_or(Instant::max())));
  if (first.index() == 0 || !out.exception) co_return;
  out.set(Result<T>(context.caller_stop().stop_requested() ? cancelled() : deadline_passed()));
}

template <class T, class F>
Coroutine<void> run_beside_awaited(CorePtr core, Context& context, std::size_t index, F& f,
                                   Landed<T>& out);

template <class T, class F>
Coroutine<void> run_levels_awaited(const CorePtr& core, Context& context, std::size_t first, F& f,
                                   Landed<T>& out) {
  Execution execution(*core, context, first);
  Step step = execution.start();
  while (true) {
    switch (step.what) {
      case Step::Do::invoke:
        if (execution.end() == core->levels.size()) {
          co_await make_within(f, context, out);
        } else {
          co_await run_beside_awaited(core, context, execution.end(), f, out);
        }
        step = execution.invoked(out.view());
        break;
      case Step::Do::again:
        step = execution.waited(true);
        break;
      case Step::Do::wait:
        step = execution.waited(co_await wait_for(*core->timers, step.until, execution.stop()));
        break;
      case Step::Do::queue: {
        PermitAwaited permit(core->levels[step.level].with<Bulkhead>(),
                             Alarm(co_await asio::this_coro::executor));
        step = execution.granted(co_await permit.wait(step.until, execution.stop()));
        break;
      }
      case Step::Do::fall_back:
        fall_back(core->levels[step.level], execution, context, out);
        step = execution.replaced(out.view());
        break;
      case Step::Do::answer:
        answer(core->levels[step.level], context, out);
        step = execution.replaced(out.view());
        break;
      case Step::Do::finish:
        if (execution.error()) out.set(Result<T>(std::move(*execution.error())));
        co_return;
    }
  }
}

template <class T, class F>
Coroutine<Result<T>> run_awaited(CorePtr core, Call call, F f) {
  if (core->type != nullptr) {
    if (auto checked = check_type<T>(*core); !checked) co_return checked.error();
  }
  Context context(call, *core->clock, *core->timers);
  Landed<T> out;
  co_await run_levels_awaited(core, context, 0, f, out);
  co_return std::move(out).land();
}

template <class T, class Executor>
struct Runner<asio::awaitable<T, Executor>> {
  static_assert(std::is_same_v<Executor, asio::any_io_executor>,
                "a pipeline runs boost::asio::awaitable<T>, with its default executor");
  template <class F>
  static asio::awaitable<Result<Value<T>>> run(const CorePtr& core, const Call& call, F&& f) {
    return run_awaited<Value<T>, std::decay_t<F>>(core, call, std::forward<F>(f));
  }
};

}  // namespace weir::resilience::detail

#include <weir/resilience/pipeline/awaitable_beside.hpp>
