#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include <weir/resilience/circuit_breaker/call.hpp>
#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/fake_time.hpp>

namespace {

thread_local std::size_t allocations = 0;

}  // namespace

// Counts what this program's threads allocate. The forms without a size or an alignment are those
// that the others come down to. (Inlined, GCC takes malloc and delete for a mismatch.)
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

/// Allocations of a hundred calls that succeed, after one to warm up.
std::size_t allocations_of(const PipelineBuilder& builder, const Call& call = {}) {
  auto built = builder;
  const auto p = built.build().value();
  const auto once = [&] { return p.run(call, [](Context& context) { return context.attempt(); }); };
  EXPECT_TRUE(once());
  const auto before = allocations;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(once());
  return allocations - before;
}

TEST(ACallThatSucceeds, allocates_nothing_whatever_the_strategy) {
  const auto budget = std::shared_ptr<RetryBudget>(RetryBudget::create({}).value());
  const Injection never{.rate = 0};
  EXPECT_EQ(allocations_of(pipeline("p").retry({.total_max = 1h, .budget = budget})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").circuit_breaker({})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").circuit_breaker({.window_calls = 100})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").circuit_breaker({.slow_call_ratio = 1.0})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").timeout({})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").bulkhead({.queue_max = 10})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").rate_limiter({.permits = 10'000})), 0u);
  EXPECT_EQ(allocations_of(pipeline("p").rate_limiter(
                {.algorithm = RateAlgorithm::sliding_window, .permits = 10'000})),
            0u);
  EXPECT_EQ(allocations_of(pipeline("p").rate_limiter({.permits = 10'000, .keyed = true}),
                           {.key = "a client whose name is long"}),
            0u);
  EXPECT_EQ(allocations_of(pipeline("p").adaptive_limit({})), 0u);
  EXPECT_EQ(
      allocations_of(pipeline("p").load_shedding({.in_flight_max = 9, .accept_multiplier = 2})),
      0u);
  EXPECT_EQ(allocations_of(pipeline("p").fallback<int>(
                {.action = [](const Outcome&, Context&) { return Result<int>(1); }})),
            0u);
  EXPECT_EQ(
      allocations_of(
          pipeline("p").chaos_fault({.injection = never}).chaos_latency({.injection = never})),
      0u);
  EXPECT_EQ(allocations_of(pipeline("p").preset(production)), 0u);
  EXPECT_EQ(allocations_of(pipeline("p")
                               .rate_limiter({.permits = 10'000})
                               .timeout({.after = 10s})
                               .retry({})
                               .timeout({.after = 1s})
                               .circuit_breaker({})),
            0u);
}

TEST(ACallThatSucceeds, allocates_nothing_with_a_deadline_a_stop_token_and_a_name) {
  const std::stop_source stop;
  EXPECT_EQ(allocations_of(pipeline("p").preset(production),
                           {.operation = "an operation whose name is long",
                            .deadline = system_clock().instant() + 1h,
                            .stop = stop.get_token()}),
            0u);
}

TEST(ACallThatSucceeds, is_counted_at_all) {
  const auto before = allocations;
  const auto text = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(allocations - before, 2u);
}

TEST(ACallThatIsRefused, allocates_nothing_while_the_circuit_is_open) {
  const auto p = pipeline("p").circuit_breaker({}).build().value();
  p.circuit_breaker()->isolate();
  const auto before = allocations;
  EXPECT_FALSE(p.run([] { return 1; }));
  EXPECT_EQ(allocations - before, 0u);
}

// Each goes another way: the quick one, that of calls with a deadline, and through outer levels.
TEST(ACallThatIsRefused, is_told_the_same_whichever_way_it_went) {
  FakeTime time;
  const auto refused = [&](PipelineBuilder builder, bool deadline) {
    const auto p = builder.circuit_breaker({.open_for = 1s}).time(time, time).build().value();
    p.circuit_breaker()->force_open(time.instant());
    Call call;
    if (deadline) call.deadline = time.instant() + 1h;
    const auto before = allocations;
    const auto result = p.run(call, [] { return 1; });
    EXPECT_EQ(allocations - before, 0u);
    return result.error();
  };
  const Error expected{.code = Code::unavailable,
                       .reason = Reason::circuit_open,
                       .message = "circuit is open",
                       .retry_after = 1000ms};
  EXPECT_EQ(refused(pipeline("p"), false), expected);
  EXPECT_EQ(refused(pipeline("p"), true), expected);
  EXPECT_EQ(refused(pipeline("p").timeout({}).bulkhead({}), false), expected);
  EXPECT_EQ(refused(pipeline("p").timeout({}).bulkhead({}), true), expected);
  const auto alone = std::shared_ptr(CircuitBreaker::create({.open_for = 1s}).value());
  alone->force_open(time.instant());
  EXPECT_EQ(call(*alone, time, {}, [] { return 1; }).error(), expected);
}

}  // namespace
}  // namespace weir::resilience
