#pragma once

#include <exception>
#include <functional>
#include <type_traits>

#include <weir/base/error.hpp>
#include <weir/resilience/core/transient.hpp>

namespace weir::resilience {

/// Tells types apart without RTTI: one address a type.
using TypeKey = const void*;
namespace detail {
template <class T>
inline constexpr char type_key = 0;
}  // namespace detail
template <class T>
constexpr TypeKey type_key_of() {
  return &detail::type_key<std::remove_cv_t<T>>;
}

/// How one attempt ended, whatever it returns: a look at a value, an Error or an exception that
/// belongs to whoever runs the call. Valid while a predicate looks at it.
class Outcome {
 public:
  static Outcome of_error(const Error& error) { return {&error, nullptr, nullptr, nullptr}; }
  static Outcome of_exception(const std::exception_ptr& thrown) {
    return {nullptr, &thrown, nullptr, nullptr};
  }
  /// Of a call that returns nothing.
  static Outcome of_success() { return {nullptr, nullptr, nullptr, nullptr}; }
  template <class T>
  static Outcome of_value(const T& value) {
    return {nullptr, nullptr, &value, type_key_of<T>()};
  }

  /// Neither an error nor an exception.
  bool ok() const { return error_ == nullptr && exception_ == nullptr; }
  /// Null unless the attempt returned an Error.
  const Error* error() const { return error_; }
  /// Null unless the attempt threw.
  const std::exception_ptr* exception() const { return exception_; }
  /// Null unless the attempt returned a T.
  template <class T>
  const T* value() const {
    return type_ == type_key_of<T>() ? static_cast<const T*>(value_) : nullptr;
  }

 private:
  Outcome(const Error* error, const std::exception_ptr* exception, const void* value, TypeKey type)
      : error_(error), exception_(exception), value_(value), type_(type) {}

  const Error* error_;
  const std::exception_ptr* exception_;
  const void* value_;
  TypeKey type_;
};

/// What a strategy handles: which errors, exceptions and values it takes for failures.
/// Predicates are called on whichever thread runs the call, several at once; they must not throw.
struct Handled {
  /// Which errors. Default: as the strategy says (transient, unwell). Never `cancelled`.
  std::function<bool(const Error&)> errors;
  /// Which exceptions. Default: all. exception_is() makes one.
  std::function<bool(const std::exception_ptr&)> exceptions;
  /// Which values. Default: none. value_where() makes one.
  std::function<bool(const Outcome&)> values;

  bool handles(const Outcome& outcome, bool (*default_errors)(const Error&)) const;
};

/// Takes exceptions of type E, and of types that derive from it.
template <class E>
std::function<bool(const std::exception_ptr&)> exception_is() {
  return [](const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const E&) {
      return true;
    } catch (...) {
      return false;
    }
  };
}

/// Takes values of type T for which `predicate` is true.
template <class T, class Predicate>
std::function<bool(const Outcome&)> value_where(Predicate predicate) {
  return [predicate = std::move(predicate)](const Outcome& outcome) {
    const T* value = outcome.value<T>();
    return value != nullptr && predicate(*value);
  };
}

}  // namespace weir::resilience
