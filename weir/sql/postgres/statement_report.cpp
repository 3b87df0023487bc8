#include <weir/sql/postgres/statement_report.hpp>

#include <algorithm>
#include <charconv>

#include <weir/sql/postgres/errors.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::postgres {
namespace {

/// "SELECT"; of several statements together, "BATCH".
std::string operation_of(std::span<const std::string_view> texts) {
  if (texts.size() != 1) return "BATCH";
  std::string word;
  for (const char c : texts.front()) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !word.empty()) break;
    if (letter) word += c >= 'a' ? static_cast<char>(c - 32) : c;
    if (word.size() == 16) break;
  }
  return word;
}

}  // namespace

StatementReports::StatementReports(StatementReporting reporting)
    : reporting_(reporting),
      durations_(
          reporting.telemetry.meter->histogram(telemetry::metric::db_client_operation_duration)),
      duration_(durations_.bind({"postgresql", "BATCH", ""})) {}

StatementReports::Trip::Trip(StatementReports& reports, const StatementTarget& target,
                             std::span<const std::string_view> texts, Instant began)
    : reports_(reports), operation_(operation_of(texts)), began_(began) {
  const auto& context = telemetry::current_context();
  if (!context.span.sampled) return;
  span_ = reports.reporting_.telemetry.tracer->start_span(
      operation_ + " " + target.database,
      {{"db.system.name", "postgresql"},
       {"db.namespace", target.database},
       {"db.operation.name", operation_},
       {"server.address", target.host}},
      {.kind = telemetry::SpanKind::client, .began = began});
  std::int64_t port = 0;
  std::from_chars(target.port.data(), target.port.data() + target.port.size(), port);
  if (port > 0) span_.set_attribute("server.port", port);
  if (texts.size() > 1) {
    span_.set_attribute("db.operation.batch.size", static_cast<std::int64_t>(texts.size()));
  }
  if (!reports.reporting_.text) return;
  std::string all;
  for (const auto text : texts) all.append(all.empty() ? "" : ";\n").append(text);
  span_.set_attribute("db.query.text", all);
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
