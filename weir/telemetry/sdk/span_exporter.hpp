#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/telemetry/sdk/span_data.hpp>

namespace weir::telemetry {

using SpanBatch = std::vector<std::unique_ptr<SpanData>>;

/// What became of a batch that was taken.
struct Exported {
  /// Spans in it that the receiver did not want.
  std::size_t rejected = 0;
};

/// Takes spans out of the process.
/// Threads: one call at a time.
/// Errors: whatever kept the batch from being taken; it is not given again.
class SpanExporter {
 public:
  virtual ~SpanExporter() = default;
  /// Gives up at the deadline, and soon after `stop` fires.
  virtual Result<Exported> export_spans(const SpanBatch& spans, Instant deadline,
                                        std::stop_token stop) = 0;
};

/// Given each recorded span when it has ended.
/// Threads: any.
class SpanProcessor {
 public:
  virtual ~SpanProcessor() = default;
  /// Must not block.
  virtual void on_end(std::unique_ptr<SpanData> span) = 0;
  /// Exports what has ended so far. False when that was not done in time.
  virtual bool force_flush(std::chrono::nanoseconds timeout) = 0;
  /// Flushes, then ends for good; spans that come later are dropped. False when time ran out; it
  /// returns then all the same. Later calls do nothing.
  virtual bool shut_down(std::chrono::nanoseconds timeout) = 0;
};

}  // namespace weir::telemetry
