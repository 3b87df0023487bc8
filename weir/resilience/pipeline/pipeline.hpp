#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <utility>

#include <weir/resilience/pipeline/run.hpp>

// Only named, so that a call that returns one is recognised: awaitable.hpp runs those.
namespace boost::asio {
template <typename T, typename Executor>
class awaitable;
}  // namespace boost::asio

namespace weir::resilience {

namespace detail {

/// Holds the core of a pipeline; a registry may put another in its place.
class Slot {
 public:
  explicit Slot(CorePtr core, bool reloadable) : core_(std::move(core)), reloadable_(reloadable) {}

  bool reloadable() const { return reloadable_; }
  /// Only if it is not reloadable.
  const CorePtr& fixed() const { return core_; }
  /// The present core, which stays as long as the caller holds it.
  CorePtr pin() const;
  void replace(CorePtr core);

 private:
  CorePtr core_;
  const bool reloadable_;
  mutable std::atomic_flag busy_;  // held for a copy of core_
};

/// Runs calls that return R; awaitable.hpp has another for coroutines.
template <class R>
struct Runner {
  template <class F>
  static Result<Value<R>> run(const CorePtr& core, const Call& call, F&& f) {
    return run_blocking<Value<R>>(core, call, f);
  }
};
template <class T, class Executor>
struct Runner<boost::asio::awaitable<T, Executor>>;  // include pipeline/awaitable.hpp

}  // namespace detail

/// Strategies around a call, outermost first. A value that can be copied; copies share everything.
///
/// run() makes the call, a function of Context& or of nothing that returns
///   - Result<T> or T, or nothing: it blocks, and gives a Result<T>;
///   - boost::asio::awaitable of those: it gives an awaitable<Result<T>>, to be awaited at once
///     (needs pipeline/awaitable.hpp).
/// An exception of the last attempt goes on to the caller.
/// Threads: any. A blocking call that succeeds at once allocates nothing, unless something runs
/// beside it (hedging, pessimistic timeout).
/// Errors, beside those of the call: cancelled, deadline_exceeded, resource_exhausted (overloaded),
/// unavailable (circuit_open), failed_precondition (the pipeline cannot run such a call).
class Pipeline {
 public:
  template <class F>
  auto run(F&& f) const {
    return run(plain_call(), std::forward<F>(f));
  }
  template <class F>
  auto run(const Call& call, F&& f) const {
    using Run = detail::Runner<detail::Returned<std::remove_reference_t<F>>>;
    if (!slot_->reloadable()) return Run::run(slot_->fixed(), call, std::forward<F>(f));
    const auto core = slot_->pin();
    return Run::run(core, call, std::forward<F>(f));
  }

  /// What it is made of at present.
  CorePtr core() const { return slot_->pin(); }
  bool reloadable() const { return slot_->reloadable(); }

  /// The machines inside, to look at and to steer: `circuit_breaker()->isolate()`. Null when there
  /// is none of that name. They live as long as the pipeline, also through reloads that keep them.
  CircuitBreaker* circuit_breaker(std::string_view name = "circuit_breaker") const;
  Bulkhead* bulkhead(std::string_view name = "bulkhead") const;
  AdaptiveLimit* adaptive_limit(std::string_view name = "adaptive_limit") const;

 private:
  friend class PipelineBuilder;
  friend class Registry;
  explicit Pipeline(std::shared_ptr<detail::Slot> slot) : slot_(std::move(slot)) {}

  std::shared_ptr<detail::Slot> slot_;
};

}  // namespace weir::resilience
