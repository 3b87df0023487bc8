#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/resilience/core/context.hpp>
#include <weir/resilience/core/outcome.hpp>

namespace weir::resilience {

/// How often chaos meddles: common to its four kinds. For tests and drills.
struct Injection {
  /// Share of calls. Range 0 to 1. Default 0.001.
  double rate = 0.001;
  bool enabled = true;
  /// Give them for each call instead; a rate is kept to 0 to 1. Must not throw.
  std::function<double(const Context&)> rate_generated = {};
  std::function<bool(const Context&)> enabled_generated = {};
};

/// Whether to meddle with this call; `chance` is from 0 up to 1.
bool injects(const Injection& injection, const Context& context, double chance);

/// Fails calls without making them.
struct ChaosFaultOptions {
  std::string name = "chaos_fault";
  Injection injection = {};
  /// What they fail with. Default: unavailable.
  Error error = {.code = Code::unavailable, .message = "injected"};
  /// Thrown instead of the error, when there is one.
  std::exception_ptr exception = {};
};

/// Makes calls late.
struct ChaosLatencyOptions {
  std::string name = "chaos_latency";
  Injection injection = {};
  /// Range 0 to 24 h. Default 30 s.
  Duration latency = std::chrono::seconds(30);
};

/// Does something before calls.
struct ChaosBehaviourOptions {
  std::string name = "chaos_behaviour";
  Injection injection = {};
  /// Required. Must not throw.
  std::function<void(Context&)> behaviour = {};
};

/// Answers calls without making them.
template <class T>
struct ChaosOutcomeOptions {
  std::string name = "chaos_outcome";
  Injection injection = {};
  /// Required. Must not throw.
  std::function<Result<T>(Context&)> outcome = {};
};

/// The same for a pipeline, which does not know T: only its runner does.
struct ErasedChaosOutcome {
  std::string name;
  Injection injection;
  TypeKey type = nullptr;
  std::shared_ptr<const void> outcome;

  template <class T>
  static ErasedChaosOutcome of(ChaosOutcomeOptions<T> options) {
    using Maker = std::function<Result<T>(Context&)>;
    return {
        .name = std::move(options.name),
        .injection = std::move(options.injection),
        .type = type_key_of<T>(),
        .outcome = options.outcome ? std::make_shared<Maker>(std::move(options.outcome)) : nullptr};
  }
  template <class T>
  Result<T> run(Context& context) const {
    return (*static_cast<const std::function<Result<T>(Context&)>*>(outcome.get()))(context);
  }
};

Result<void> check(const ChaosFaultOptions& options);
Result<void> check(const ChaosLatencyOptions& options);
Result<void> check(const ChaosBehaviourOptions& options);
Result<void> check(const ErasedChaosOutcome& options);

}  // namespace weir::resilience
