#include <weir/resilience/registry/registry.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <weir/resilience/testing/description.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<Registry> registry() {
  return Registry::create({}).value();
}

TEST(Registry, gives_pipelines_by_name) {
  auto pipelines = registry();
  EXPECT_TRUE(pipelines->add(pipeline("a").retry({})));
  EXPECT_TRUE(pipelines->add(pipeline("b").retry({})));
  EXPECT_EQ(pipelines->add(pipeline("a").retry({})).error().code, Code::already_exists);
  EXPECT_EQ(pipelines->get("c").error().code, Code::not_found);
  EXPECT_EQ(pipelines->get("a")->run([] { return 1; }).value(), 1);
  EXPECT_EQ(pipelines->names(), (std::vector<std::string>{"a", "b"}));
  auto small = Registry::create({.pipelines_max = 1}).value();
  EXPECT_TRUE(small->add(pipeline("a").retry({})));
  EXPECT_EQ(small->add(pipeline("b").retry({})).error().code, Code::resource_exhausted);
}

// Guards the trap of reloads that forget that a circuit is open.
TEST(Registry, keeps_what_strategies_know_when_it_reloads) {
  FakeTime time;
  const auto recorder = std::make_shared<Recorder>();
  const auto with_permits = [&](int permits, int calls_min) {
    auto builder = pipeline("a");
    builder.time(time, time)
        .listener(recorder)
        .bulkhead({.permits = permits})
        .circuit_breaker({.calls_min = calls_min, .open_for = 60s});
    return builder;
  };
  auto pipelines = registry();
  const auto p = pipelines->add(with_permits(2, 1)).value();
  ASSERT_TRUE(p.bulkhead()->try_enter());
  (void)p.run([]() -> Result<int> { return unavailable("away"); });
  ASSERT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::open);

  ASSERT_TRUE(pipelines->reload(with_permits(3, 50)));
  EXPECT_EQ(std::get<BulkheadOptions>(describe(p).strategies[0].options).permits, 3);
  EXPECT_EQ(p.run([] { return 1; }).error().reason, Reason::circuit_open);
  EXPECT_EQ(p.bulkhead()->in_use(), 1);
  EXPECT_TRUE(p.bulkhead()->try_enter());
  EXPECT_TRUE(p.bulkhead()->try_enter());
  EXPECT_FALSE(p.bulkhead()->try_enter());
  EXPECT_EQ(recorder->in_words(), "opened reloaded rejected");
}

TEST(Registry, lets_a_call_under_way_end_and_give_its_permit_back_to_the_reloaded_bulkhead) {
  auto pipelines = registry();
  const auto p = pipelines->add(pipeline("a").bulkhead({.permits = 1})).value();
  EXPECT_EQ(p.run([&] {
               EXPECT_TRUE(pipelines->reload(pipeline("a").bulkhead({.permits = 5}).retry({})));
               EXPECT_EQ(p.bulkhead()->in_use(), 1);
               return 1;
             }).value(),
            1);
  EXPECT_EQ(p.bulkhead()->in_use(), 0);
}

TEST(Registry, changes_nothing_when_an_option_is_bad) {
  auto pipelines = registry();
  const auto p =
      pipelines->add(pipeline("a").bulkhead({.permits = 2}).rate_limiter({.permits = 7})).value();
  EXPECT_EQ(pipelines->reload(pipeline("a").bulkhead({.permits = 9}).retry({.attempts_max = 0}))
                .error()
                .message,
            "retry.attempts_max: 0, must be from 1 to 1000");
  EXPECT_EQ(pipelines->reload(pipeline("a").bulkhead({.permits = 9}).rate_limiter({.keyed = true}))
                .error()
                .message,
            "rate_limiter.keyed: cannot change in a reload");
  EXPECT_TRUE(p.bulkhead()->try_enter());
  EXPECT_TRUE(p.bulkhead()->try_enter());
  EXPECT_FALSE(p.bulkhead()->try_enter());
  EXPECT_EQ(describe(p).strategies.size(), 2u);
  EXPECT_EQ(pipelines->reload(pipeline("b").retry({})).error().code, Code::not_found);
}

TEST(Registry, reloads_while_calls_are_made) {
  auto pipelines = registry();
  const auto p = pipelines->add(pipeline("a").bulkhead({.permits = 100}).retry({})).value();
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  const auto work = [&] {
    while (!stop) {
      if (!p.run([] { return 1; })) ++failed;
    }
  };
  std::thread one(work), two(work);
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(pipelines->reload(pipeline("a").bulkhead({.permits = 100 + i}).retry({})));
  }
  stop = true;
  one.join();
  two.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(p.bulkhead()->in_use(), 0);
}

}  // namespace
}  // namespace weir::resilience
