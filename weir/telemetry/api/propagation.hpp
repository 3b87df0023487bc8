#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <weir/telemetry/api/context.hpp>

namespace weir::telemetry {

/// The headers of a request, however a protocol keeps them. Names are lower case.
/// Threads: one at a time.
class TextMapCarrier {
 public:
  virtual ~TextMapCarrier() = default;
  /// The value of a header; empty when there is none.
  virtual std::string_view get(std::string_view name) const = 0;
  virtual void set(std::string_view name, std::string_view value) = 0;
};

/// The names of the headers that carry a context.
inline constexpr std::string_view traceparent_header = "traceparent";
inline constexpr std::string_view tracestate_header = "tracestate";
inline constexpr std::string_view baggage_header = "baggage";
inline constexpr std::string_view correlation_header = "correlation-id";
inline constexpr std::string_view causation_header = "causation-id";

/// Carries a context from process to process as text.
/// Threads: any.
class TextMapPropagator {
 public:
  virtual ~TextMapPropagator() = default;
  virtual void inject(const Context& context, TextMapCarrier& carrier) const = 0;
  /// What is malformed is left out: a bad header never fails a request.
  virtual Context extract(const TextMapCarrier& carrier) const = 0;
};

/// W3C Trace Context and W3C Baggage, and the correlation and causation ids in headers of their
/// own.
const TextMapPropagator& w3c_propagator();

/// "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01". `context` must be valid.
std::string format_traceparent(const SpanContext& context);
/// Reads version 00, and later versions as far as they are like it. Nothing when it is malformed.
std::optional<SpanContext> parse_traceparent(std::string_view text);
/// Whether it is a list of at most 32 members "key=value" with keys as the recommendation has them,
/// none twice, in at most 512 bytes or as many as came.
bool is_tracestate(std::string_view text);
/// Members past the 64th, or past 8192 bytes, and malformed ones are left out, and those whose
/// properties are not printable ASCII.
Baggage parse_baggage(std::string_view text);
/// The same.
std::string format_baggage(const Baggage& baggage);

/// Longest correlation or causation id that is taken in, in bytes; longer ones are left out.
inline constexpr std::size_t correlation_bytes_max = 255;

}  // namespace weir::telemetry
