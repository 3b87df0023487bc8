#pragma once

#include <memory>
#include <vector>

#include <weir/server/logs.hpp>
#include <weir/store/observer.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace weir::server {

/// Measures what embedded stores do, and makes spans of it for the requests whose traces are
/// recorded: "append LOG" for the commit that an append was part of, "read LOG" for a step.
/// Of several appends that were committed together, the first one's span has what the database did
/// below it, and links to the others' requests; theirs link to it.
/// Threads: any.
class StoreReports final : public StoreObserver {
 public:
  /// Tracer and meter must outlive it.
  explicit StoreReports(telemetry::Telemetry telemetry);

  telemetry::Span begin(std::string_view operation, std::string_view log,
                        std::span<const telemetry::Context> requests, Instant began) override;
  void committed(const Commit& commit) override;
  void refused(std::string_view log, Code code) override;
  void read(const Read& read) override;

 private:
  void trace(const Commit& commit);
  static void describe(telemetry::Span& span, const Commit& commit);

  telemetry::Tracer* const tracer_;
  const telemetry::Counter append_events_, append_refused_, read_events_;
  const telemetry::Histogram commit_duration_, commit_appends_, commit_events_, read_duration_;
};

/// How each log stands whenever somebody collects. Both must outlive what is returned.
std::vector<std::unique_ptr<telemetry::Observed>> observe_logs(telemetry::Meter& meter,
                                                               const Logs& logs);

}  // namespace weir::server
