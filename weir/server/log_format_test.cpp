#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include <weir/server/log_format.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::server {
namespace {

/// What a line becomes, without its time.
std::string written(LogFormat format, const std::string& message) {
  std::ostringstream out;
  spdlog::logger logger("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
  logger.set_formatter(make_log_formatter(format));
  logger.warn(message);
  const auto text = out.str();
  const auto time = text.find("20");
  return text.substr(0, time) + text.substr(text.find('Z') + 1);
}

telemetry::Context whose() {
  return {.span = *telemetry::parse_traceparent(
              "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
          .carried = std::make_shared<const telemetry::Carried>(
              telemetry::Carried{.correlation_id = "order-7", .causation_id = "event-3"})};
}

TEST(LogFormat, of_machines_is_an_object_a_line_with_the_ids_of_the_work) {
  EXPECT_EQ(written(LogFormat::json, "say \"hi\"\n"),
            "{\"time\":\"\",\"level\":\"warning\",\"message\":\"say \\\"hi\\\"\\n\"}\n");
  const telemetry::Scope scope(whose());
  EXPECT_EQ(written(LogFormat::json, "x"),
            "{\"time\":\"\",\"level\":\"warning\",\"message\":\"x\","
            "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\","
            "\"correlation_id\":\"order-7\",\"causation_id\":\"event-3\"}\n");
}

TEST(LogFormat, of_people_ends_with_the_ids_of_the_work) {
  EXPECT_EQ(written(LogFormat::text, "x"), " warning x\n");
  const telemetry::Scope scope(whose());
  EXPECT_EQ(written(LogFormat::text, "x"),
            " warning x trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331 "
            "correlation_id=order-7 causation_id=event-3\n");
}

TEST(LogFormat, names_a_bad_option) {
  EXPECT_THAT(parse_log_format("xml", "log-format").error().message,
              ::testing::StartsWith("log-format: 'xml'"));
  EXPECT_THAT(log_to_stderr(LogFormat::text, "loud").error().message,
              ::testing::StartsWith("log-level: 'loud'"));
}

}  // namespace
}  // namespace weir::server
