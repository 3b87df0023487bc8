#pragma once

#include <stop_token>

#include <weir/resilience/pipeline/execution.hpp>
#include <weir/resilience/pipeline/landed.hpp>

/// Runs calls that block: the thin shell around Execution that makes the call and waits.
namespace weir::resilience::detail {

template <class T, class F>
void run_beside(const CorePtr& core, Context& context, std::size_t index, F& f, Landed<T>& out);

/// Waits for a permit on the calling thread. True: it is the caller's.
bool wait_for_permit(Bulkhead& bulkhead, Instant until, const std::stop_token& stop,
                     Timers& timers);

/// What chaos answers instead of the call.
template <class T>
void answer(const Level& level, Context& context, Landed<T>& out) {
  if (level.kind == Kind::chaos_fault) {
    out.set(level.as<ChaosFaultOptions>().exception);
  } else {
    out.set(level.as<ErasedChaosOutcome>().template run<T>(context));
  }
}

template <class T>
void fall_back(const Level& level, Execution& execution, Context& context, Landed<T>& out) {
  const auto replacing = execution.error() ? Outcome::of_error(*execution.error()) : out.view();
  out.set(level.as<ErasedFallback>().template run<T>(replacing, context));
}

/// Does step after step.
template <class T, class F>
void drive(const CorePtr& core, Context& context, Execution& execution, Step step, F& f,
           Landed<T>& out) {
  while (true) {
    switch (step.what) {
      case Step::Do::invoke:
        if (execution.end() == core->levels.size()) {
          out.make(f, context);
        } else {
          run_beside(core, context, execution.end(), f, out);
        }
        step = execution.invoked(out.view());
        break;
      case Step::Do::again:
        step = execution.waited(true);
        break;
      case Step::Do::wait:
        step = execution.waited(core->timers->wait(step.until, execution.stop()));
        break;
      case Step::Do::queue:
        step = execution.granted(wait_for_permit(core->levels[step.level].with<Bulkhead>(),
                                                 step.until, execution.stop(), *core->timers));
        break;
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
        return;
    }
  }
}

template <class T, class F>
void run_levels(const CorePtr& core, Context& context, std::size_t first, F& f, Landed<T>& out) {
  Execution execution(*core, context, first);
  drive(core, context, execution, execution.start(), f, out);
}

/// Whether the pipeline's strategies may run calls that return a T.
template <class T>
Result<void> check_type(const Core& core) {
  if (core.type == nullptr || core.type == type_key_of<T>()) return {};
  return Error{.code = Code::failed_precondition,
               .message = core.name + ": its fallback or chaos is for calls of another type"};
}

/// A call that does not go the quick way, from its beginning.
template <class T, class F>
[[gnu::noinline]] Result<T> run_all(const CorePtr& core, Context& context, F& f) {
  Landed<T> out;
  run_levels(core, context, 0, f, out);
  return std::move(out).land();
}

/// The rest of a call whose quick way ended at a level.
template <class T, class F>
[[gnu::noinline]] Result<T> run_on(const CorePtr& core, Context& context,
                                   const Execution::Frames& frames, std::size_t depth, F& f) {
  Execution execution(*core, context, frames, depth);
  const Step step = execution.go_on();
  if (step.what == Step::Do::finish) {
    const auto left = execution.open_for();
    if (left > Duration::zero()) {
      return Result<T>(error_by, [&] { return circuit_is_open(left); });
    }
    return std::move(*execution.error());
  }
  Landed<T> out;
  drive(core, context, execution, step, f, out);
  return std::move(out).land();
}

/// The rest of a call whose first attempt failed or threw.
template <class T, class F>
[[gnu::noinline]] Result<T> run_on(const CorePtr& core, Context& context,
                                   const Execution::Frames& frames, std::size_t depth, F& f,
                                   Result<T> result, std::exception_ptr thrown) {
  Execution execution(*core, context, frames, depth);
  Landed<T> out;
  if (thrown) {
    out.set(std::move(thrown));
  } else {
    out.set(std::move(result));
  }
  drive(core, context, execution, execution.invoked(out.view()), f, out);
  return std::move(out).land();
}

/// The call alone. When it throws, some error and what was thrown.
template <class T, class F>
Result<T> make_call(F& f, Context& context, std::exception_ptr& thrown) {
  try {
    if constexpr (std::is_void_v<Returned<F>>) {
      call(f, context);
      return {};
    } else {
      return call(f, context);
    }
  } catch (...) {
    thrown = std::current_exception();
    return Error{};
  }
}

/// Nearly every call succeeds at once, and goes straight through here.
template <class T, class F>
Result<T> run_blocking(const CorePtr& core, const Call& call, F& f) {
  if (core->type != nullptr) WEIR_TRY(check_type<T>(*core));
  Context context(call, *core->clock, *core->timers);
  if (!core->plain || call.deadline || call.stop.stop_possible()) {
    return run_all<T>(core, context, f);
  }
  Execution::Frames frames;
  const std::size_t levels = core->segment_end[0];
  for (std::size_t i = 0; i < levels; ++i) {
    if (!Execution::enter_quickly(core->hot[i], context, frames[i])) {
      return run_on<T>(core, context, frames, i, f);
    }
  }
  std::exception_ptr thrown;
  auto result = make_call<T>(f, context, thrown);
  if (!result.ok()) [[unlikely]] {
    return run_on(core, context, frames, levels, f, std::move(result), std::move(thrown));
  }
  for (std::size_t i = levels; i-- > 0;) {
    if (!Execution::leave_quickly(core->hot[i], frames[i])) {
      Execution::leave_slowly(*core, context, frames, i);
    }
  }
  return result;
}

}  // namespace weir::resilience::detail

#include <weir/resilience/pipeline/beside.hpp>
