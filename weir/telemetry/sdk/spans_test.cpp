#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/sdk/batch_span_processor.hpp>
#include <weir/telemetry/sdk/console_exporter.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>
#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;

/// Keeps what has ended.
class Kept final : public SpanProcessor {
 public:
  void on_end(std::unique_ptr<SpanData> span) override { spans.push_back(std::move(span)); }
  bool force_flush(std::chrono::nanoseconds) override { return true; }
  bool shut_down(std::chrono::nanoseconds) override { return true; }
  SpanBatch spans;
};

class FakeClock final : public Clock {
 public:
  Timestamp now() const override { return Timestamp(1'700'000'000s) + wall_jump; }
  Instant instant() const override { return Instant(steady); }
  std::chrono::microseconds wall_jump{0};
  std::chrono::nanoseconds steady{0};
};

struct Traced {
  std::shared_ptr<Kept> kept = std::make_shared<Kept>();
  FakeClock clock;
  SdkTracerProvider provider;
  Tracer& tracer;

  explicit Traced(Sampler::Options sampler = {}, SpanLimits limits = {})
      : provider(kept,
                 {.sampler = Sampler::create(sampler).value(), .limits = limits, .clock = &clock}),
        tracer(provider.tracer("test")) {}
};

TEST(Tracer, makes_children_of_what_is_current) {
  Traced traced;
  {
    auto outer = traced.tracer.start_span("outer");
    const Scope scope(outer.context());
    auto inner = traced.tracer.start_span("inner", {{"n", std::int64_t{3}}});
    EXPECT_EQ(inner.span_context().trace_id, outer.span_context().trace_id);
  }
  ASSERT_EQ(traced.kept->spans.size(), 2);
  const auto& [inner, outer] = std::tie(traced.kept->spans[0], traced.kept->spans[1]);
  EXPECT_EQ(inner->name, "inner");
  EXPECT_EQ(inner->parent, outer->context.span_id);
  EXPECT_FALSE(outer->parent.valid());
  EXPECT_THAT(inner->attributes, testing::ElementsAre(OwnedAttribute{"n", std::int64_t{3}}));
}

TEST(Tracer, measures_by_the_clock_that_never_jumps) {
  Traced traced;
  auto span = traced.tracer.start_span("work");
  traced.clock.steady += 250ms;
  traced.clock.wall_jump = -1h;
  span.end();
  ASSERT_EQ(traced.kept->spans.size(), 1);
  EXPECT_EQ(traced.kept->spans[0]->end - traced.kept->spans[0]->start, 250'000'000u);
  EXPECT_EQ(traced.kept->spans[0]->start, 1'700'000'000'000'000'000u);
}

TEST(Tracer, ends_a_span_once) {
  Traced traced;
  auto span = traced.tracer.start_span("once");
  span.end();
  span.end();
  Span moved = std::move(span);
  moved.end();
  EXPECT_EQ(traced.kept->spans.size(), 1);
}

TEST(Tracer, drops_what_is_past_the_limits_and_says_how_much) {
  Traced traced({}, {.attributes_max = 1, .events_max = 1, .links_max = 1, .value_bytes_max = 4});
  {
    auto span =
        traced.tracer.start_span("work", {{"a", "1234ü"}, {"b", "x"}}, {.links = {Link{}, Link{}}});
    span.set_attribute("a", "123ü");  // what is there may change, and is not cut within the ü
    span.add_event("one");
    span.add_event("two");
  }
  const auto& span = *traced.kept->spans.at(0);
  EXPECT_THAT(span.attributes, testing::ElementsAre(OwnedAttribute{"a", std::string("123")}));
  EXPECT_EQ(span.dropped_attributes, 1);
  EXPECT_EQ(span.dropped_events, 1);
  EXPECT_EQ(span.dropped_links, 1);
}

TEST(Sampler, records_the_share_that_was_asked_for) {
  Traced traced({.ratio = 0.1});
  for (int i = 0; i < 10'000; ++i) traced.tracer.start_span("root").end();
  // 5 standard deviations of a binomial distribution.
  EXPECT_NEAR(static_cast<double>(traced.kept->spans.size()), 1000, 150);
}

TEST(Sampler, follows_the_parent) {
  const auto sampled = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  auto unsampled = *sampled;
  unsampled.sampled = false;
  Traced none({.ratio = 0}), all({.ratio = 1}), alone({.ratio = 0, .parent_based = false});
  EXPECT_TRUE(none.tracer.start_span("s", {}, {.parent = Context{*sampled}}).is_recording());
  EXPECT_FALSE(none.tracer.start_span("s").is_recording());
  EXPECT_FALSE(all.tracer.start_span("s", {}, {.parent = Context{unsampled}}).is_recording());
  EXPECT_FALSE(alone.tracer.start_span("s", {}, {.parent = Context{*sampled}}).is_recording());
}

TEST(Sampler, hands_on_the_trace_of_what_it_does_not_record) {
  Traced traced({.ratio = 0});
  auto span = traced.tracer.start_span("root");
  EXPECT_TRUE(span.span_context().valid());
  EXPECT_FALSE(span.span_context().sampled);
}

/// An exporter that a test can hold up.
class Held final : public SpanExporter {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool held = false;
    bool deaf = false;  ///< to the deadline and the stop token
    std::vector<std::size_t> batches;
    bool entered = false;
    Result<Exported> answer = Exported{};
  };
  explicit Held(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Result<Exported> export_spans(const SpanBatch& spans, Instant deadline,
                                std::stop_token stop) override {
    auto& state = *state_;
    const std::stop_callback wake(stop, [&] {
      const std::lock_guard lock(state.mutex);
      state.changed.notify_all();
    });
    std::unique_lock lock(state.mutex);
    state.entered = true;
    state.changed.notify_all();
    state.changed.wait_until(lock, deadline,
                             [&] { return !state.held || (stop.stop_requested() && !state.deaf); });
    state.changed.wait(lock, [&] { return !state.deaf || !state.held; });
    state.batches.push_back(spans.size());
    return state.answer;
  }

 private:
  const std::shared_ptr<State> state_;
};

struct Batched {
  std::shared_ptr<Held::State> state = std::make_shared<Held::State>();
  std::unique_ptr<MetricRegistry> registry = MetricRegistry::create({}).value();
  std::unique_ptr<BatchSpanProcessor> processor;

  explicit Batched(BatchOptions options) {
    processor = BatchSpanProcessor::create(std::make_unique<Held>(state), options, *registry,
                                           system_clock())
                    .value();
  }
  ~Batched() { release(); }
  void release() {
    const std::lock_guard lock(state->mutex);
    state->held = state->deaf = false;
    state->changed.notify_all();
  }
  void wait_until_entered() {
    std::unique_lock lock(state->mutex);
    ASSERT_TRUE(state->changed.wait_for(lock, 30s, [&] { return state->entered; }));
  }
  void end_spans(int count) {
    for (int i = 0; i < count; ++i) processor->on_end(std::make_unique<SpanData>());
  }
  std::int64_t counted(const MetricSpec& spec, std::string_view error) {
    for (const auto& metric : registry->collect()) {
      if (metric.spec.name != spec.name) continue;
      for (const auto& point : metric.points) {
        if (point.labels[0] == error) return std::get<std::int64_t>(point.value);
      }
    }
    return 0;
  }
};

TEST(BatchSpanProcessor, exports_in_batches_and_counts) {
  Batched batched({.queue_max = 10, .batch_max = 4, .every = 1h});
  batched.end_spans(10);
  EXPECT_TRUE(batched.processor->force_flush(30s));
  std::size_t all = 0;
  for (const auto size : batched.state->batches) {
    EXPECT_LE(size, 4);
    all += size;
  }
  EXPECT_EQ(all, 10);
  EXPECT_EQ(batched.counted(metric::sdk_spans_processed, ""), 10);
  EXPECT_EQ(batched.counted(metric::sdk_spans_exported, ""), 10);
}

TEST(BatchSpanProcessor, drops_and_counts_what_does_not_fit_and_holds_nobody_up) {
  Batched batched({.queue_max = 8, .batch_max = 8, .every = 1h, .export_timeout = 10min});
  batched.state->held = true;
  batched.end_spans(8);
  batched.wait_until_entered();
  const auto began = system_clock().instant();
  batched.end_spans(1000);
  EXPECT_LT(system_clock().instant() - began, 1s);
  EXPECT_EQ(batched.counted(metric::sdk_spans_processed, "queue_full"), 992);
  batched.release();
  EXPECT_TRUE(batched.processor->force_flush(30s));
  EXPECT_EQ(batched.counted(metric::sdk_spans_exported, ""), 16);
}

TEST(BatchSpanProcessor, counts_what_the_receiver_refused) {
  Batched batched({.queue_max = 8, .batch_max = 8});
  batched.state->answer = unavailable("nobody there");
  batched.end_spans(3);
  EXPECT_TRUE(batched.processor->force_flush(30s));
  EXPECT_EQ(batched.counted(metric::sdk_spans_exported, "UNAVAILABLE"), 3);
  EXPECT_EQ(batched.counted(metric::sdk_spans_exported, ""), 0);
}

TEST(BatchSpanProcessor, flush_and_shutdown_keep_to_their_time_though_the_exporter_hangs) {
  Batched batched({.queue_max = 8, .batch_max = 8, .every = 1h, .export_timeout = 10min});
  batched.state->held = batched.state->deaf = true;
  batched.end_spans(2);
  auto began = system_clock().instant();
  EXPECT_FALSE(batched.processor->force_flush(50ms));
  EXPECT_FALSE(batched.processor->shut_down(50ms));
  EXPECT_LT(system_clock().instant() - began, 5s);
  batched.end_spans(1);  // comes too late, and harms nobody
}

TEST(BatchSpanProcessor, shutdown_exports_what_is_left) {
  Batched batched({.queue_max = 100, .batch_max = 50, .every = 1h});
  batched.end_spans(7);
  EXPECT_TRUE(batched.processor->shut_down(30s));
  EXPECT_EQ(batched.counted(metric::sdk_spans_exported, ""), 7);
  EXPECT_TRUE(batched.processor->shut_down(30s));
}

TEST(BatchSpanProcessor, loses_no_flush_while_spans_keep_ending) {
  Batched batched({.queue_max = 1'000'000, .batch_max = 64, .every = 1h});
  std::atomic<bool> stop = false;
  std::jthread ending([&] {
    while (!stop) batched.end_spans(1);
  });
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(batched.processor->force_flush(30s)) << i;
  stop = true;
}

TEST(BatchSpanProcessor, names_a_bad_option) {
  const auto registry = MetricRegistry::create({}).value();
  const auto made =
      BatchSpanProcessor::create(std::make_unique<Held>(std::make_shared<Held::State>()),
                                 {.queue_max = 10, .batch_max = 11}, *registry, system_clock());
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, testing::HasSubstr("batch_max"));
}

TEST(ConsoleExporter, writes_a_span_as_a_line_of_json) {
  Traced traced;
  {
    auto span = traced.tracer.start_span("say \"hi\"", {{"ok", true}}, {.kind = SpanKind::server});
    span.set_status(StatusCode::error, "bad");
    traced.clock.steady += 1500us;
  }
  EXPECT_THAT(to_json(*traced.kept->spans.at(0)),
              testing::AllOf(testing::StartsWith(R"({"name":"say \"hi\"","kind":"server")"),
                             testing::HasSubstr(R"("seconds":0.001500000,"status":"error")"),
                             testing::HasSubstr(R"("attributes":{"ok":true})")));
}

}  // namespace
}  // namespace weir::telemetry
