#include <weir/server/log_format.hpp>

#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <weir/base/json.hpp>
#include <weir/base/time.hpp>
#include <weir/telemetry/api/context.hpp>

namespace weir::server {
namespace {

std::string time_of(const spdlog::details::log_msg& line) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(line.time);
  auto text = format_timestamp(milliseconds);
  // Always with three digits, so that lines sort and align.
  if (text.size() == 20) text.insert(19, ".000");
  return text;
}

std::string_view view(const spdlog::string_view_t& text) {
  return {text.data(), text.size()};
}

/// Calls with each id that this thread's work has.
template <class Each>
void for_each_id(const Each& each) {
  const auto& context = telemetry::current_context();
  if (context.span.valid()) {
    each("trace_id", to_string(context.span.trace_id));
    each("span_id", to_string(context.span.span_id));
  }
  if (!context.correlation_id().empty()) each("correlation_id", context.correlation_id());
  if (!context.causation_id().empty()) each("causation_id", context.causation_id());
}

class Formatter final : public spdlog::formatter {
 public:
  explicit Formatter(LogFormat format) : format_(format) {}

  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& to) override {
    const auto text = format_ == LogFormat::json ? json(line) : readable(line);
    to.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<Formatter>(format_);
  }

 private:
  static std::string json(const spdlog::details::log_msg& line) {
    auto out = fmt::format(R"({{"time":"{}","level":"{}","message":)", time_of(line),
                           view(spdlog::level::to_string_view(line.level)));
    const auto message = view(line.payload);
    append_json_string(out, is_utf8(message) ? message : "(a message that is not UTF-8)");
    for_each_id([&](std::string_view name, std::string_view value) {
      out += fmt::format(",\"{}\":", name);
      append_json_string(out, value);
    });
    return out + "}\n";
  }

  static std::string readable(const spdlog::details::log_msg& line) {
    auto out = fmt::format("{} {} {}", time_of(line),
                           view(spdlog::level::to_string_view(line.level)), view(line.payload));
    for_each_id([&](std::string_view name, std::string_view value) {
      out += fmt::format(" {}={}", name, value);
    });
    return out + "\n";
  }

  const LogFormat format_;
};

}  // namespace

Result<LogFormat> parse_log_format(std::string_view text, std::string_view field) {
  if (text == "text") return LogFormat::text;
  if (text == "json") return LogFormat::json;
  return invalid_field(field, fmt::format("'{}' is neither text nor json", text));
}

std::unique_ptr<spdlog::formatter> make_log_formatter(LogFormat format) {
  return std::make_unique<Formatter>(format);
}

Result<void> log_to_stderr(LogFormat format, std::string_view level) {
  for (const std::string_view known : {"trace", "debug", "info", "warn", "error", "off"}) {
    if (level != known) continue;
    auto logger =
        std::make_shared<spdlog::logger>("weir", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_formatter(make_log_formatter(format));
    logger->set_level(spdlog::level::from_str(std::string(level)));
    spdlog::set_default_logger(std::move(logger));
    return {};
  }
  return invalid_field("log-level", fmt::format("'{}' is none of trace, debug, info, warn, error, "
                                                "off",
                                                level));
}

}  // namespace weir::server
