#pragma once

#include <optional>
#include <utility>
#include <variant>

#include <weir/base/assert.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// For calls that are refused by the million: `Result<T>(error_by, [] { return Error{...}; })`
/// writes the error where it stays, since moving one costs more than making it.
struct ErrorBy {};
inline constexpr ErrorBy error_by{};

namespace detail {
template <class Make>
struct MadeError {
  const Make& make;
  operator Error() const { return make(); }  // NOLINT: implicit, so that nothing is moved
};
}  // namespace detail

/// A value, or the Error that kept it from being. Exceptions do not cross a module's boundary;
/// this does. Taking the value of a failed Result is our own mistake and ends the process.
/// Threads: as safe as T.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit
  Result(const Error& error) : state_(std::in_place_index<1>, error) {}        // NOLINT: implicit
  Result(Error&& error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit
  template <class Make>
  Result(ErrorBy, const Make& make)
      : state_(std::in_place_index<1>, detail::MadeError<Make>{make}) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    WEIR_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    WEIR_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    WEIR_ASSERT(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  const Error& error() const {
    WEIR_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() {}  // NOLINT: defaulted, {} would first fill the room of an Error with zeros
  Result(const Error& error) : error_(error) {}        // NOLINT: implicit
  Result(Error&& error) : error_(std::move(error)) {}  // NOLINT: implicit
  template <class Make>
  Result(ErrorBy, const Make& make) : error_(std::in_place, detail::MadeError<Make>{make}) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    WEIR_ASSERT(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace weir

#define WEIR_CONCAT_INNER(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_INNER(a, b)

/// Returns the error of a Result<void> expression from the function around it.
#define WEIR_TRY(expression)                                     \
  do {                                                           \
    if (auto weir_try_result = (expression); !weir_try_result) { \
      return weir_try_result.error();                            \
    }                                                            \
  } while (false)

/// Declares `name` with the value of a Result expression, or returns its error.
#define WEIR_TRY_ASSIGN(name, expression) \
  WEIR_TRY_ASSIGN_INNER(WEIR_CONCAT(weir_result_, __COUNTER__), name, expression)
#define WEIR_TRY_ASSIGN_INNER(result, name, expression) \
  auto result = (expression);                           \
  if (!result) return result.error();                   \
  auto name = std::move(result).value()
