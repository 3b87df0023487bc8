#pragma once

#include <memory>
#include <string_view>

#include <weir/base/result.hpp>

namespace spdlog {
class formatter;
}

namespace weir::server {

enum class LogFormat : std::uint8_t {
  /// For people: "2024-02-29T10:00:00.123Z warning message trace_id=... correlation_id=..."
  text,
  /// For machines: an object a line, with time, level, message, trace_id, span_id, correlation_id
  /// and causation_id.
  json,
};

/// "text" or "json". Errors: invalid_argument naming the field.
Result<LogFormat> parse_log_format(std::string_view text, std::string_view field);

/// Writes log lines with the ids of what their thread is doing, as far as it has them.
/// Threads: one at a time, on the thread that logs: not for asynchronous loggers.
std::unique_ptr<spdlog::formatter> make_log_formatter(LogFormat format);

/// Every line of the process goes to standard error in this format, from this level on ("trace",
/// "debug", "info", "warn", "error", "off").
/// Errors: invalid_argument naming log-level.
Result<void> log_to_stderr(LogFormat format, std::string_view level);

}  // namespace weir::server
