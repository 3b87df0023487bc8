#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/telemetry/api/span_context.hpp>

namespace weir::telemetry {

/// Which traces are recorded: by a share of the trace ids, so that every process decides alike,
/// and, when parent-based, as whoever began the trace decided.
/// A value; threads: any.
class Sampler {
 public:
  struct Options {
    /// Share of the traces that begin here. Range [0, 1]. Default 1.
    double ratio = 1;
    /// A span with a parent is recorded if its parent is. Default true.
    bool parent_based = true;
  };

  /// Errors: invalid_argument naming the option.
  static Result<Sampler> create(Options options);
  /// From OTEL_TRACES_SAMPLER (always_on, always_off, traceidratio, parentbased_always_on,
  /// parentbased_always_off, parentbased_traceidratio) and OTEL_TRACES_SAMPLER_ARG.
  /// Errors: invalid_argument naming the variable.
  static Result<Sampler> parse(std::string_view name, std::optional<std::string> argument);

  bool samples(const TraceId& trace_id, const SpanContext& parent) const;
  /// "ParentBased{TraceIdRatioBased{0.1}}".
  std::string description() const;

 private:
  explicit Sampler(Options options);

  Options options_;
  /// Of the lower 63 bits of a trace id's second half.
  std::uint64_t below_ = 0;
};

}  // namespace weir::telemetry
