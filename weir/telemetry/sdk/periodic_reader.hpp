#pragma once

#include <memory>

#include <weir/telemetry/sdk/metric_exporter.hpp>

namespace weir::telemetry {

struct PeriodicReaderOptions {
  /// Range 10 ms to 1 h. Default 60 s.
  std::chrono::milliseconds every{60'000};
  /// For one export with its retries. Range 1 ms to 10 min. Default 30 s.
  std::chrono::milliseconds export_timeout{30'000};
};

/// Collects a registry again and again and hands it to an exporter, on a thread of its own. What
/// could not be exported is in the next export: metrics are cumulative.
/// Threads: any. The registry must outlive it.
class PeriodicReader {
 public:
  /// Errors: invalid_argument naming the option.
  static Result<std::unique_ptr<PeriodicReader>> create(MetricRegistry& registry,
                                                        std::unique_ptr<MetricExporter> exporter,
                                                        PeriodicReaderOptions options,
                                                        const Clock& clock);
  /// Gives up after 1 s, unless shut_down() came before.
  ~PeriodicReader();
  PeriodicReader(const PeriodicReader&) = delete;
  PeriodicReader& operator=(const PeriodicReader&) = delete;

  /// Exports what is there now. False when that failed or was not done in time.
  bool force_flush(std::chrono::nanoseconds timeout);
  /// Exports once more and ends. False when time ran out; it returns then all the same.
  bool shut_down(std::chrono::nanoseconds timeout);

 private:
  struct Shared;
  explicit PeriodicReader(std::shared_ptr<Shared> shared);
  static void run(Shared& shared);
  const std::shared_ptr<Shared> shared_;
};

}  // namespace weir::telemetry
