#pragma once

#include <weir/telemetry/api/span_context.hpp>

namespace weir::telemetry {

/// Makes up ids. An argument, so that tests can say what they are.
/// Threads: any.
class IdGenerator {
 public:
  virtual ~IdGenerator() = default;
  virtual TraceId trace_id() const = 0;
  virtual SpanId span_id() const = 0;
};

/// From a generator of each thread's own (splitmix64), seeded by the system's randomness.
const IdGenerator& random_ids();

}  // namespace weir::telemetry
