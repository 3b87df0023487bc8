#pragma once

#include <span>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/sql/report/statement.hpp>

namespace weir::postgres {

using sql::StatementReporting;
using sql::StatementTarget;

/// Reports round trips: db.client.operation.duration for each and, when what its thread does is
/// being traced, a span.
/// Threads: one at a time.
class StatementReports {
 public:
  explicit StatementReports(StatementReporting reporting);

  bool reporting() const { return duration_.collects(); }

  class Trip {
   public:
    /// `texts`: of the statements that go together.
    Trip(StatementReports& reports, const StatementTarget& target,
         std::span<const std::string_view> texts, Instant began);
    /// `error`: null when it went well.
    void end(const Error* error, Instant now);

   private:
    StatementReports& reports_;
    std::string operation_;
    Instant began_;
    telemetry::Span span_;
  };

 private:
  const StatementReporting reporting_;
  const telemetry::Histogram durations_;
  const telemetry::BoundHistogram duration_;
};

}  // namespace weir::postgres
