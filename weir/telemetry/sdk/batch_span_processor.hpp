#pragma once

#include <memory>

#include <weir/telemetry/api/metrics.hpp>
#include <weir/telemetry/sdk/span_exporter.hpp>

namespace weir::telemetry {

struct BatchOptions {
  /// Spans that may wait; one more is dropped and counted. Range 1 to 1,000,000. Default 2048.
  std::size_t queue_max = 2048;
  /// Spans in one export. Range 1 to queue_max. Default 512.
  std::size_t batch_max = 512;
  /// Longest time that a span waits for others. Range 1 ms to 1 h. Default 5 s.
  std::chrono::milliseconds every{5'000};
  /// For one export with its retries. Range 1 ms to 10 min. Default 30 s.
  std::chrono::milliseconds export_timeout{30'000};
};

/// Exports ended spans in batches, on a thread of its own. A receiver that is slow or down costs
/// nobody anything but spans, which are dropped and counted.
/// Threads: any. Destruction gives up what is left after 1 s, unless shut_down() came before.
class BatchSpanProcessor final : public SpanProcessor {
 public:
  /// `meter` counts what becomes of the spans and must outlive the processor.
  /// Errors: invalid_argument naming the option.
  static Result<std::unique_ptr<BatchSpanProcessor>> create(std::unique_ptr<SpanExporter> exporter,
                                                            BatchOptions options, Meter& meter,
                                                            const Clock& clock);
  ~BatchSpanProcessor() override;

  void on_end(std::unique_ptr<SpanData> span) override;
  bool force_flush(std::chrono::nanoseconds timeout) override;
  bool shut_down(std::chrono::nanoseconds timeout) override;

  std::size_t queue_size() const;

 private:
  struct Shared;
  explicit BatchSpanProcessor(std::shared_ptr<Shared> shared);
  static void run(Shared& shared);

  /// Shared with the thread, which may outlive the processor when its exporter hangs.
  const std::shared_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Observed>> observed_;
};

}  // namespace weir::telemetry
