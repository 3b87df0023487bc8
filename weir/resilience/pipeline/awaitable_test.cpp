#include <weir/resilience/pipeline/awaitable.hpp>

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/fake_time.hpp>
#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
template <class T>
using Awaitable = asio::awaitable<T>;

/// Keeps what a coroutine returns.
template <class T>
Awaitable<void> keep(Awaitable<T> coroutine, std::optional<T>& result) {
  result.emplace(co_await std::move(coroutine));
}

/// Runs a coroutine to its end and gives what it returns.
template <class T>
T await(Awaitable<T> coroutine) {
  asio::io_context io;
  std::optional<T> result;
  std::exception_ptr thrown;
  asio::co_spawn(io, keep(std::move(coroutine), result), [&](std::exception_ptr e) { thrown = e; });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}

/// Waits until it is cancelled.
Awaitable<void> for_ever() {
  asio::steady_timer timer(co_await asio::this_coro::executor, Instant::max());
  co_await timer.async_wait(asio::use_awaitable);
}

TEST(AnAwaitablePipeline, gives_what_the_coroutine_returns) {
  const auto p = pipeline("a").retry({}).circuit_breaker({}).build().value();
  EXPECT_EQ(await(p.run([](Context&) -> Awaitable<int> { co_return 7; })).value(), 7);
  EXPECT_EQ(await(p.run([]() -> Awaitable<Result<std::string>> {
              co_return std::string("paid");
            })).value(),
            "paid");
  EXPECT_TRUE(await(p.run([]() -> Awaitable<void> { co_return; })));
}

TEST(AnAwaitablePipeline, tries_again_and_waits_on_the_timers_it_was_given) {
  FakeTime time;
  const auto p =
      pipeline("a").retry({.delay = 1s, .jitter = Jitter::none}).time(time, time).build().value();
  int calls = 0;
  const auto done = await(p.run([&](Context& context) -> Awaitable<Result<int>> {
    EXPECT_EQ(context.attempt(), ++calls);
    if (calls < 3) co_return unavailable("away");
    co_return calls;
  }));
  EXPECT_EQ(done.value(), 3);
  EXPECT_EQ(time.waits(), (std::vector<Duration>{1s, 2s}));
}

TEST(AnAwaitablePipeline, waits_between_attempts_without_holding_its_thread) {
  const auto p = pipeline("a").retry({.delay = 1ms, .jitter = Jitter::none}).build().value();
  int calls = 0;
  EXPECT_EQ(await(p.run([&]() -> Awaitable<Result<int>> {
              if (++calls < 3) co_return unavailable("away");
              co_return calls;
            })).value(),
            3);
}

TEST(AnAwaitablePipeline, throws_what_the_last_attempt_threw) {
  const auto p = pipeline("a").retry({.attempts_max = 2, .delay = 0s}).build().value();
  int calls = 0;
  EXPECT_THROW((void)await(p.run([&]() -> Awaitable<int> {
                 ++calls;
                 throw std::runtime_error("no");
               })),
               std::runtime_error);
  EXPECT_EQ(calls, 2);
}

TEST(AnAwaitablePipeline, cancels_the_call_at_its_deadline) {
  const auto recorder = std::make_shared<Recorder>();
  const auto p = pipeline("a").timeout({.after = 1ms}).listener(recorder).build().value();
  bool cancelled = false;
  const auto done = await(p.run([&]() -> Awaitable<int> {
    try {
      co_await for_ever();
    } catch (const boost::system::system_error&) {
      cancelled = true;
      throw;
    }
    co_return 1;
  }));
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(done.error().message, "timeout: no answer within 1ms");
  EXPECT_EQ(recorder->in_words(), "timed_out");
}

TEST(AnAwaitablePipeline, gives_each_attempt_a_deadline_of_its_own) {
  const auto p =
      pipeline("a").retry({.attempts_max = 3, .delay = 0s}).timeout({.after = 1ms}).build().value();
  int calls = 0;
  const auto done = await(p.run([&]() -> Awaitable<int> {
    if (++calls < 3) co_await for_ever();
    co_return calls;
  }));
  EXPECT_EQ(done.value(), 3);
}

TEST(AnAwaitablePipeline, cancels_the_call_when_its_caller_stops) {
  const auto p = pipeline("a").retry({}).circuit_breaker({.calls_min = 1}).build().value();
  std::stop_source stop;
  const auto done = await(p.run({.stop = stop.get_token()}, [&]() -> Awaitable<int> {
    stop.request_stop();
    co_await for_ever();
    co_return 1;
  }));
  EXPECT_EQ(done.error().code, Code::cancelled);
  EXPECT_EQ(p.circuit_breaker()->state(), CircuitBreaker::State::closed);
}

TEST(AnAwaitablePipeline, stops_waiting_for_another_attempt_when_its_caller_stops) {
  const auto p =
      pipeline("a").retry({.delay = 1h, .delay_max = 1h, .jitter = Jitter::none}).build().value();
  std::stop_source stop;
  asio::io_context io;
  std::optional<Result<int>> done;
  const auto away = []() -> Awaitable<Result<int>> { co_return unavailable("away"); };
  asio::co_spawn(io, keep(p.run({.stop = stop.get_token()}, away), done), asio::detached);
  while (!done) {
    io.poll();  // far enough that it waits, sooner or later
    stop.request_stop();
  }
  EXPECT_EQ(done->error().code, Code::cancelled);
}

TEST(AnAwaitablePipeline, queues_for_permits_in_order) {
  const auto p =
      pipeline("a").bulkhead({.permits = 1, .queue_max = 2, .wait_max = 1h}).build().value();
  asio::io_context io;
  std::string order;
  const auto call = [&](char name) -> Awaitable<int> {
    order += name;
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    order += name;
    co_return 1;
  };
  std::array<std::optional<Result<int>>, 4> results;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const char name = "abcd"[i];
    asio::co_spawn(io, keep(p.run([&call, name] { return call(name); }), results[i]),
                   asio::detached);
  }
  io.run();
  EXPECT_EQ(order, "aabbcc");
  EXPECT_TRUE(results[2]->ok());
  EXPECT_EQ(results[3]->error().code, Code::resource_exhausted);
  EXPECT_EQ(p.bulkhead()->in_use(), 0);
}

TEST(AnAwaitablePipeline, gives_back_what_it_holds_when_its_coroutine_is_destroyed) {
  const auto p =
      pipeline("a").bulkhead({.permits = 1, .queue_max = 1, .wait_max = 1h}).build().value();
  {
    asio::io_context io;
    std::optional<Result<void>> first, second;
    asio::co_spawn(io, keep(p.run(for_ever), first), asio::detached);
    asio::co_spawn(io, keep(p.run([]() -> Awaitable<void> { co_return; }), second), asio::detached);
    io.poll();
    EXPECT_EQ(p.bulkhead()->in_use(), 1);
    EXPECT_EQ(p.bulkhead()->waiting(), 1);
  }
  EXPECT_EQ(p.bulkhead()->in_use(), 0);
  EXPECT_EQ(p.bulkhead()->waiting(), 0);
}

TEST(AnAwaitablePipeline, hedges_and_cancels_the_attempt_that_is_not_needed) {
  const auto p = pipeline("a").hedging({.delay = 1ms}).build().value();
  const auto cancelled = std::make_shared<bool>(false);
  const auto done = await(p.run([cancelled](Context& context) -> Awaitable<int> {
    if (context.attempt() == 2) co_return 2;
    try {
      co_await for_ever();
    } catch (const boost::system::system_error&) {
      *cancelled = true;
      throw;
    }
    co_return 1;
  }));
  EXPECT_EQ(done.value(), 2);
  EXPECT_TRUE(*cancelled);
}

TEST(AnAwaitablePipeline, hedges_at_once_after_a_failure_and_gives_the_last_one) {
  const auto p = pipeline("a").hedging({.attempts_max = 3, .delay = std::nullopt}).build().value();
  const auto done = await(p.run([](Context& context) -> Awaitable<Result<int>> {
    co_return unavailable(std::to_string(context.attempt()));
  }));
  EXPECT_EQ(done.error().message, "3");
}

TEST(AnAwaitablePipeline, answers_for_a_call_that_cannot_be_cancelled) {
  const auto p = pipeline("a").timeout({.after = 1ms, .pessimistic = true}).build().value();
  const auto go_on = std::make_shared<bool>(false);
  const auto done = await(p.run([go_on]() -> Awaitable<int> {
    // Does not let itself be cancelled; ends by itself after the answer was given.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    asio::steady_timer timer(co_await asio::this_coro::executor, 20ms);
    co_await timer.async_wait(asio::use_awaitable);
    *go_on = true;
    co_return 1;
  }));
  EXPECT_EQ(done.error().code, Code::deadline_exceeded);
  EXPECT_TRUE(*go_on);  // await() ran everything to its end
}

TEST(AnAwaitablePipeline, falls_back) {
  const auto p =
      pipeline("a")
          .fallback<int>({.action = [](const Outcome&, Context&) { return Result<int>(42); }})
          .build()
          .value();
  EXPECT_EQ(await(p.run([]() -> Awaitable<Result<int>> { co_return unavailable("away"); })).value(),
            42);
}

}  // namespace
}  // namespace weir::resilience
