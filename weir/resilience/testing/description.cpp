#include <weir/resilience/testing/description.hpp>

#include <array>

#include <fmt/format.h>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {
namespace {

/// Collects options as one would write them; what is absent is left out.
class Values {
 public:
  void add(const char* name, int value) { put(name, std::to_string(value)); }
  void add(const char* name, double value) { put(name, fmt::format("{}", value)); }
  void add(const char* name, bool value) { put(name, value ? "true" : "false"); }
  void add(const char* name, Duration value) { put(name, in_words(value)); }
  void add(const char* name, std::string_view value) { put(name, std::string(value)); }
  template <class T>
  void add(const char* name, const std::optional<T>& value) {
    if (value) add(name, *value);
  }
  std::vector<std::pair<std::string, std::string>> take() { return std::move(values_); }

 private:
  void put(const char* name, std::string value) { values_.emplace_back(name, std::move(value)); }
  std::vector<std::pair<std::string, std::string>> values_;
};

void list(const RetryOptions& o, Values& out) {
  static constexpr std::array<std::string_view, 3> backoffs = {"constant", "linear", "exponential"};
  static constexpr std::array<std::string_view, 5> jitters = {"none", "full", "equal",
                                                              "decorrelated", "polly"};
  out.add("attempts_max", o.attempts_max);
  out.add("delay", o.delay);
  out.add("delay_max", o.delay_max);
  out.add("backoff", backoffs[static_cast<std::size_t>(o.backoff)]);
  out.add("jitter", jitters[static_cast<std::size_t>(o.jitter)]);
  out.add("total_max", o.total_max);
  out.add("budget", o.budget != nullptr);
}

void list(const CircuitBreakerOptions& o, Values& out) {
  out.add("failure_ratio", o.failure_ratio);
  out.add("calls_min", o.calls_min);
  if (o.window_calls) {
    out.add("window_calls", o.window_calls);
  } else {
    out.add("window", o.window);
  }
  out.add("consecutive_failures", o.consecutive_failures);
  out.add("slow_call_ratio", o.slow_call_ratio);
  if (o.slow_call_ratio) out.add("slow_call", o.slow_call);
  out.add("successes_to_close", o.successes_to_close);
  out.add("probes_max", o.probes_max);
  out.add("probe_timeout", o.probe_timeout);
  out.add("open_for", o.open_for);
  out.add("metrics_only", o.metrics_only);
}

void list(const TimeoutOptions& o, Values& out) {
  out.add("after", o.after);
  out.add("pessimistic", o.pessimistic);
}

void list(const BulkheadOptions& o, Values& out) {
  out.add("permits", o.permits);
  out.add("queue_max", o.queue_max);
  if (o.queue_max > 0) out.add("wait_max", o.wait_max);
}

void list(const RateLimiterOptions& o, Values& out) {
  out.add("algorithm", o.algorithm == RateAlgorithm::token_bucket
                           ? std::string_view("token_bucket")
                           : std::string_view("sliding_window"));
  out.add("permits", o.permits);
  out.add("per", o.per);
  out.add("burst", o.burst);
  if (o.keyed) out.add("keys_max", o.keys_max);
}

void list(const AdaptiveLimitOptions& o, Values& out) {
  out.add("algorithm", o.algorithm == LimitAlgorithm::vegas ? std::string_view("vegas")
                                                            : std::string_view("gradient2"));
  out.add("initial", o.initial);
  out.add("limit_min", o.limit_min);
  out.add("limit_max", o.limit_max);
  out.add("window", o.window);
  out.add("samples_min", o.samples_min);
}

void list(const HedgingOptions& o, Values& out) {
  out.add("attempts_max", o.attempts_max);
  out.add("delay", o.delay);
  out.add("percentile", o.percentile);
}

void list(const ErasedFallback&, Values&) {}

void list(const LoadSheddingOptions& o, Values& out) {
  out.add("in_flight_max", o.in_flight_max);
  out.add("share_low", o.share_low);
  out.add("share_normal", o.share_normal);
  out.add("accept_multiplier", o.accept_multiplier);
  out.add("window", o.window);
}

void list_injection(const Injection& injection, Values& out) {
  out.add("rate", injection.rate);
  out.add("enabled", injection.enabled);
}

void list(const ChaosFaultOptions& o, Values& out) {
  list_injection(o.injection, out);
  out.add("error", to_string(o.error));
}

void list(const ErasedChaosOutcome& o, Values& out) {
  list_injection(o.injection, out);
}

void list(const ChaosLatencyOptions& o, Values& out) {
  list_injection(o.injection, out);
  out.add("latency", o.latency);
}

void list(const ChaosBehaviourOptions& o, Values& out) {
  list_injection(o.injection, out);
}

}  // namespace

PipelineDescription describe(const Pipeline& pipeline) {
  const auto core = pipeline.core();
  PipelineDescription description{.name = core->name, .reloadable = pipeline.reloadable()};
  for (const auto& level : core->levels) {
    Values values;
    std::visit([&](const auto& options) { list(options, values); }, level.options);
    description.strategies.push_back({.kind = level.kind,
                                      .name = level.name(),
                                      .options = level.options,
                                      .values = values.take()});
  }
  return description;
}

std::string to_string(const PipelineDescription& description) {
  auto text = fmt::format("{}{}\n", description.name, description.reloadable ? " (reloads)" : "");
  for (const auto& strategy : description.strategies) {
    text += fmt::format("  {}:", strategy.name);
    for (const auto& [option, value] : strategy.values) {
      text += fmt::format(" {}={}", option, value);
    }
    text += '\n';
  }
  return text;
}

}  // namespace weir::resilience
