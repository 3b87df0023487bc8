#include <weir/sql/postgres/statement_report.hpp>

#include <weir/sql/postgres/errors.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::postgres {

StatementReports::StatementReports(StatementReporting reporting)
    : reporting_(reporting),
      durations_(
          reporting.telemetry.meter->histogram(telemetry::metric::db_client_operation_duration)),
      duration_(durations_.bind({"postgresql", "BATCH", ""})) {}

StatementReports::Trip::Trip(StatementReports& reports, const StatementTarget& target,
                             std::span<const std::string_view> texts, Instant began)
    : reports_(reports),
      operation_(texts.size() == 1 ? sql::operation_of(texts.front()) : "BATCH"),
      began_(began) {
  if (!telemetry::current_context().span.sampled) return;
  const auto& reporting = reports.reporting_;
  if (texts.size() == 1) {
    span_ = sql::span_of(reporting, target, sql::statement_name(texts.front()), texts.front(),
                         {.began = began});
    return;
  }
  std::string all;
  if (reporting.text) {
    for (const auto text : texts) all.append(all.empty() ? "" : ";\n").append(text);
  }
  span_ = sql::span_of(reporting, target, {.operation = operation_}, all, {.began = began});
  span_.set_attribute("db.operation.batch.size", static_cast<std::int64_t>(texts.size()));
}

void StatementReports::Trip::end(const Error* error, Instant now) {
  const auto type = error != nullptr ? name_of(error->code) : std::string_view();
  const auto bound = error == nullptr && operation_ == "BATCH"
                         ? reports_.duration_
                         : reports_.durations_.bind({"postgresql", operation_, type});
  bound.record(now - began_);
  if (error != nullptr && span_.is_recording()) {
    span_.set_attribute("error.type", type);
    const auto state = error->details.find(std::string(sqlstate_detail));
    if (state != error->details.end()) {
      span_.set_attribute("db.response.status_code", state->second);
    }
    span_.set_status(telemetry::StatusCode::error, error->message);
  }
  span_.end();
}

}  // namespace weir::postgres
