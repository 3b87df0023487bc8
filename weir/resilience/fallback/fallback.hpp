#pragma once

#include <functional>
#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/resilience/core/context.hpp>
#include <weir/resilience/core/outcome.hpp>

namespace weir::resilience {

template <class T>
struct FallbackOptions {
  /// For events, descriptions and reloads. Default "fallback".
  std::string name = "fallback";
  /// What takes the place of an outcome that is handled. Required. May itself fail; must not throw.
  std::function<Result<T>(const Outcome&, Context&)> action;
  /// Default: every error but `cancelled`, and all exceptions.
  Handled handled = {};
};

/// The same for a pipeline, which does not know T: only its runner does.
struct ErasedFallback {
  std::string name;
  TypeKey type = nullptr;
  /// A std::function as above.
  std::shared_ptr<const void> action;
  Handled handled;

  template <class T>
  static ErasedFallback of(FallbackOptions<T> options) {
    using Action = std::function<Result<T>(const Outcome&, Context&)>;
    return {
        .name = std::move(options.name),
        .type = type_key_of<T>(),
        .action = options.action ? std::make_shared<Action>(std::move(options.action)) : nullptr,
        .handled = std::move(options.handled)};
  }
  /// Only for the T of `type`.
  template <class T>
  Result<T> run(const Outcome& outcome, Context& context) const {
    using Action = std::function<Result<T>(const Outcome&, Context&)>;
    return (*static_cast<const Action*>(action.get()))(outcome, context);
  }
};

Result<void> check(const ErasedFallback& options);

/// What a fallback handles unless told otherwise: every error.
bool any_error(const Error& error);

}  // namespace weir::resilience
