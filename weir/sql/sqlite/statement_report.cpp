#include <weir/sql/sqlite/statement_report.hpp>

#include <algorithm>

#include <sqlite3.h>

namespace weir::sqlite {

StatementReports::Run StatementReports::begin(std::string_view text) {
  Run run;
  const auto& context = telemetry::current_context();
  if (context.span.span_id != of_.span.span_id) {
    if (running_ > 0) return run;  // what goes on is another's
    hand_over();
    of_ = context;
  }
  auto found = std::find_if(statements_.begin(), statements_.end(),
                            [&](const Runs& runs) { return runs.text == text; });
  if (found == statements_.end() && statements_.size() < statements_max) {
    found =
        statements_.insert(found, {.text = std::string(text), .began = system_clock().instant()});
  }
  ++running_;
  run.reports_ = this;
  run.index_ = static_cast<std::size_t>(found - statements_.begin());
  return run;
}

void StatementReports::ended(std::size_t index, const Error* error, int code) {
  if (index < statements_.size()) {
    auto& runs = statements_[index];
    runs.ended = system_clock().instant();
    ++runs.count;
    if (error != nullptr) {
      runs.error = *error;
      runs.code = code;
    }
  }
  if (--running_ == 0 && sqlite3_get_autocommit(connection_) != 0) hand_over();
}

void StatementReports::hand_over() {
  for (const auto& runs : statements_) {
    auto span = sql::span_of(reporting_, target_, sql::statement_name(runs.text), runs.text,
                             {.parent = of_, .began = runs.began});
    if (runs.count > 1) span.set_attribute("db.operation.batch.size", runs.count);
    if (runs.error) {
      span.set_attribute("error.type", name_of(runs.error->code));
      span.set_attribute("db.response.status_code", std::to_string(runs.code));
      span.set_status(telemetry::StatusCode::error, runs.error->message);
    }
    span.end(runs.ended);
  }
  statements_.clear();
  of_ = {};
}

}  // namespace weir::sqlite
