#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include <tests/support/otlp_receiver.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/otlp/exporter.hpp>
#include <weir/telemetry/otlp/retry.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;
using testing_support::OtlpReceiver;
using Mood = OtlpReceiver::Mood;
using Protocol = OtlpSettings::Protocol;

class Otlp : public testing::TestWithParam<Protocol> {
 protected:
  OtlpSettings settings() const {
    return {.endpoint = GetParam() == Protocol::grpc ? receiver_.grpc_endpoint()
                                                     : receiver_.http_endpoint(),
            .protocol = GetParam(),
            .headers = {{"api-key", "s3cret"}}};
  }
  static Resource resource() {
    Resource of;
    of.set("service.name", "lending");
    return of;
  }
  std::unique_ptr<SpanExporter> spans(const OtlpSettings& settings) {
    return make_otlp_span_exporter(settings, resource(), system_clock()).value();
  }
  static SpanBatch batch(std::size_t count = 1) {
    SpanBatch spans;
    for (std::size_t i = 0; i < count; ++i) {
      auto& span = *spans.emplace_back(std::make_unique<SpanData>());
      span.name = "lend";
      span.kind = SpanKind::server;
      span.scope = "test";
      span.context = *parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
      span.parent = *parse_span_id("00f067aa0ba902b7");
      span.parent_remote = true;
      span.start = 1'700'000'000'000'000'000;
      span.end = span.start + 1'500'000;
      span.attributes = {
          {"a", std::string("x\xff")}, {"b", std::int64_t{-7}}, {"c", 0.5}, {"d", true}};
      span.status = StatusCode::error;
      span.status_description = "bad";
    }
    return spans;
  }
  static Instant soon(std::chrono::milliseconds after = 30s) {
    return system_clock().instant() + after;
  }

  OtlpReceiver receiver_;
};

INSTANTIATE_TEST_SUITE_P(Over, Otlp, testing::Values(Protocol::grpc, Protocol::http_protobuf),
                         [](const auto& of) {
                           return of.param == Protocol::grpc ? "grpc" : "http";
                         });

TEST_P(Otlp, sends_all_of_a_span) {
  const auto exported = spans(settings())->export_spans(batch(), soon(), {});
  ASSERT_TRUE(exported) << to_string(exported.error());
  EXPECT_EQ(exported->rejected, 0);
  const auto received = receiver_.spans();
  ASSERT_EQ(received.size(), 1);
  const auto& span = received[0].span;
  EXPECT_EQ(received[0].service, "lending");
  EXPECT_EQ(received[0].scope, "test");
  EXPECT_EQ(span.name(), "lend");
  EXPECT_EQ(span.kind(), OtlpReceiver::Span::SPAN_KIND_SERVER);
  EXPECT_EQ(span.trace_id(), std::string("\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80"
                                         "\x31\x9c"));
  EXPECT_EQ(span.span_id(), "\xb7\xad\x6b\x71\x69\x20\x33\x31");
  EXPECT_EQ(span.parent_span_id().size(), 8);
  EXPECT_EQ(span.flags(), 0x301u);
  EXPECT_EQ(span.end_time_unix_nano() - span.start_time_unix_nano(), 1'500'000u);
  EXPECT_EQ(testing_support::attribute(span, "a"), "x?");  // not UTF-8: it would be refused
  EXPECT_EQ(testing_support::attribute(span, "b"), "-7");
  EXPECT_EQ(testing_support::attribute(span, "d"), "true");
  EXPECT_EQ(span.status().message(), "bad");
  EXPECT_EQ(receiver_.last_header("api-key"), "s3cret");
}

TEST_P(Otlp, sends_metrics_as_they_are_counted) {
  const auto registry = MetricRegistry::create({}).value();
  registry->counter(metric::store_append_events).add(3, {"default"});
  registry->histogram(metric::store_commit_events).record(5, {"default"});
  const auto gauge = registry->observe(metric::store_queue_depth,
                                       [](Observer& to) { to.observe(7, {"default"}); });
  auto exporter = make_otlp_metric_exporter(settings(), resource(), system_clock()).value();
  const auto exported =
      exporter->export_metrics(registry->collect(), registry->started(), soon(), {});
  ASSERT_TRUE(exported) << to_string(exported.error());
  std::map<std::string, OtlpReceiver::Metric> by_name;
  for (const auto& metric : receiver_.metrics()) by_name[metric.name()] = metric;
  const auto& sum = by_name["weir.store.append.events"].sum();
  EXPECT_TRUE(sum.is_monotonic());
  EXPECT_EQ(sum.data_points(0).as_int(), 3);
  EXPECT_EQ(sum.data_points(0).attributes(0).value().string_value(), "default");
  EXPECT_GT(sum.data_points(0).start_time_unix_nano(), 1'500'000'000'000'000'000u);
  const auto& histogram = by_name["weir.store.commit.events"].histogram().data_points(0);
  EXPECT_EQ(histogram.count(), 1);
  EXPECT_EQ(histogram.sum(), 5);
  EXPECT_EQ(histogram.bucket_counts_size(), histogram.explicit_bounds_size() + 1);
  EXPECT_EQ(by_name["weir.store.queue.depth"].gauge().data_points(0).as_double(), 7);
}

TEST_P(Otlp, tries_again_while_that_may_help) {
  receiver_.be(Mood::comes_back, 2);
  EXPECT_TRUE(spans(settings())->export_spans(batch(), soon(), {}));
  EXPECT_EQ(receiver_.requests(), 3);
  EXPECT_EQ(receiver_.spans().size(), 1);
}

TEST_P(Otlp, does_not_repeat_what_was_refused_for_good) {
  receiver_.be(Mood::refuses);
  const auto exported = spans(settings())->export_spans(batch(), soon(), {});
  ASSERT_FALSE(exported);
  EXPECT_EQ(exported.error().code, Code::invalid_argument);
  EXPECT_EQ(receiver_.requests(), 1);
}

TEST_P(Otlp, does_not_repeat_what_was_taken_in_part_and_says_how_much_was_not) {
  receiver_.be(Mood::takes_partly);
  const auto exported = spans(settings())->export_spans(batch(3), soon(), {});
  ASSERT_TRUE(exported);
  EXPECT_EQ(exported->rejected, 1);
  EXPECT_EQ(receiver_.requests(), 1);
}

TEST_P(Otlp, gives_up_at_the_deadline_when_nobody_answers) {
  receiver_.be(Mood::never_answers);
  const auto began = system_clock().instant();
  EXPECT_FALSE(spans(settings())->export_spans(batch(), soon(200ms), {}));
  const auto took = system_clock().instant() - began;
  EXPECT_GE(took, 190ms);
  EXPECT_LT(took, 10s);
}

TEST_P(Otlp, gives_up_soon_after_it_is_told_to) {
  receiver_.be(Mood::never_answers);
  std::stop_source stop;
  std::jthread stopper([&] {
    while (receiver_.requests() == 0) std::this_thread::yield();
    stop.request_stop();
  });
  const auto exported = spans(settings())->export_spans(batch(), soon(10min), stop.get_token());
  ASSERT_FALSE(exported);
}

TEST_P(Otlp, fails_when_nobody_is_there) {
  const auto to = settings();
  receiver_.stop();
  const auto exported = spans(to)->export_spans(batch(), soon(300ms), {});
  ASSERT_FALSE(exported);
}

TEST(OtlpSettings, names_a_bad_endpoint) {
  for (const auto* endpoint : {"collector:4318", "https://collector:4318", "http://:4318"}) {
    const auto made = make_otlp_span_exporter({.endpoint = endpoint}, {}, system_clock());
    ASSERT_FALSE(made) << endpoint;
    EXPECT_THAT(made.error().message, testing::HasSubstr("endpoint"));
  }
}

TEST(RetrySchedule, waits_twice_as_long_each_time_up_to_a_bound_with_full_jitter) {
  double next = 0.5;
  otlp::RetrySchedule schedule({.first = 100ms, .most = 300ms, .chance = [&] { return next; }});
  const otlp::Attempt failed{.error = unavailable("down"), .retryable = true};
  const Instant now{}, deadline = now + 1h;
  EXPECT_EQ(schedule.after(failed, now, deadline), 50ms);
  EXPECT_EQ(schedule.after(failed, now, deadline), 100ms);
  EXPECT_EQ(schedule.after(failed, now, deadline), 150ms);
  next = 0;
  EXPECT_EQ(schedule.after(failed, now, deadline), 0ms);
}

TEST(RetrySchedule, waits_as_long_as_the_receiver_says_but_not_past_the_deadline) {
  otlp::RetrySchedule schedule({.chance = [] { return 0.5; }});
  otlp::Attempt failed{.error = unavailable("down"), .retryable = true};
  failed.error->retry_after = 7s;
  EXPECT_EQ(schedule.after(failed, Instant(), Instant() + 1h), 7s);
  EXPECT_EQ(schedule.after(failed, Instant(), Instant() + 7s), std::nullopt);
  failed.retryable = false;
  EXPECT_EQ(schedule.after(failed, Instant(), Instant() + 1h), std::nullopt);
}

}  // namespace
}  // namespace weir::telemetry
