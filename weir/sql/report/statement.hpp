#pragma once

#include <string>
#include <string_view>

#include <weir/telemetry/api/telemetry.hpp>

namespace weir::sql {

/// What statements are reported with. By default nobody is told, and nothing is measured.
struct StatementReporting {
  telemetry::Telemetry telemetry = {};
  /// Put the statements' texts (never their values) into spans. Default: no.
  bool text = false;
};

/// Where statements go, for spans.
struct StatementTarget {
  /// By the conventions: "postgresql", "sqlite". Outlives everything.
  std::string_view system;
  /// The database's name.
  std::string database;
  /// Empty for a database in this process.
  std::string host = {};
  std::string port = {};
};

/// What a statement does, and to what.
struct StatementName {
  /// The first word, in upper case: "SELECT", "BEGIN". At most 16 letters.
  std::string operation;
  /// The table, without its schema. Empty where there are none or several.
  std::string collection;

  bool operator==(const StatementName&) const = default;
};

/// Reads a statement's text. Never fails: what it does not understand it leaves empty.
StatementName statement_name(std::string_view text);
/// Its operation alone, which takes no look at the rest.
std::string operation_of(std::string_view text);

/// Begins the span of a statement, "SELECT event", or "COMMIT library" where there is no one table.
/// `text`: put in if the reporting asks for texts. `options.kind` becomes client.
telemetry::Span span_of(const StatementReporting& reporting, const StatementTarget& target,
                        const StatementName& name, std::string_view text,
                        telemetry::SpanOptions options);

}  // namespace weir::sql
