#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/base/result.hpp>
#include <weir/resilience/core/context.hpp>
#include <weir/resilience/core/outcome.hpp>

namespace weir::resilience::detail {

/// What a call may be: a function of the Context, or of nothing.
template <class F>
decltype(auto) call(F& f, Context& context) {
  if constexpr (std::is_invocable_v<F&, Context&>) {
    return f(context);
  } else {
    static_assert(std::is_invocable_v<F&>, "a call takes a Context& or nothing");
    return f();
  }
}

template <class F>
using Returned = decltype(call(std::declval<F&>(), std::declval<Context&>()));

/// The T of a call that returns T or Result<T>.
template <class R>
struct ValueOf {
  using type = std::remove_cvref_t<R>;
};
template <class T>
struct ValueOf<Result<T>> {
  using type = T;
};
template <class R>
using Value = typename ValueOf<R>::type;

/// Calls a function of nothing and gives what it returns as a Result.
template <class T, class F>
Result<T> returned(F& f) {
  if constexpr (std::is_void_v<decltype(f())>) {
    f();
    return {};
  } else {
    return f();
  }
}

template <class T>
Outcome outcome_of(const Result<T>& result) {
  if (!result.ok()) return Outcome::of_error(result.error());
  if constexpr (std::is_void_v<T>) {
    return Outcome::of_success();
  } else {
    return Outcome::of_value(*result);
  }
}

/// How an attempt ended: one of the two.
template <class T>
struct Landed {
  std::optional<Result<T>> result;
  std::exception_ptr exception;

  void set(Result<T> to) {
    exception = nullptr;
    result.emplace(std::move(to));
  }
  /// Of an exception that is being handled.
  void set_exception() { set(std::current_exception()); }
  void set(std::exception_ptr to) {
    result.reset();
    exception = std::move(to);
  }

  template <class F>
  void make(F& f, Context& context) {
    try {
      exception = nullptr;
      result.reset();
      if constexpr (std::is_void_v<Returned<F>>) {
        call(f, context);
        result.emplace();
      } else {
        result.emplace(call(f, context));
      }
    } catch (...) {
      set_exception();
    }
  }

  Outcome view() const {
    return exception ? Outcome::of_exception(exception) : outcome_of(*result);
  }

  Result<T> land() && {
    if (exception) std::rethrow_exception(std::move(exception));
    return std::move(*result);
  }
};

}  // namespace weir::resilience::detail
