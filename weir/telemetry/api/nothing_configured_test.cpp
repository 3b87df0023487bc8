#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/api/propagation.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace {

std::atomic<std::size_t> allocations = 0;

}  // namespace

// Counts what this test program allocates.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace weir::telemetry {
namespace {

TEST(Telemetry, allocates_nothing_when_nothing_is_configured) {
  const Telemetry telemetry;
  const auto counter = telemetry.meter->counter(metric::store_append_events).bind({"default"});
  const auto histogram = telemetry.meter->histogram(metric::store_commit_appends);
  const auto before = allocations.load();
  for (int i = 0; i < 100; ++i) {
    auto span = telemetry.tracer->start_span("append", {{"weir.log.name", "default"}});
    const Scope scope(span.context());
    span.set_attribute("events", std::int64_t{1});
    span.add_event("committed");
    span.set_status(StatusCode::error, "ABORTED");
    counter.add(1);
    histogram.record(0.5, {"default"});
  }
  EXPECT_EQ(allocations.load(), before);
}

TEST(Telemetry, hands_on_a_trace_that_came_in_when_nothing_is_configured) {
  const auto parent = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  auto span = no_tracer().start_span("append", {}, {.parent = Context{.span = *parent}});
  EXPECT_FALSE(span.is_recording());
  EXPECT_EQ(span.span_context().span_id, parent->span_id);
}

}  // namespace
}  // namespace weir::telemetry
