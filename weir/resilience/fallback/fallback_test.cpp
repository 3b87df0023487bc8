#include <weir/resilience/fallback/fallback.hpp>

#include <gtest/gtest.h>

#include <weir/resilience/pipeline/builder.hpp>
#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

PipelineBuilder with_fallback(std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>()) {
  auto builder = pipeline("f");
  builder.listener(std::move(recorder)).fallback<int>({.action = [](const Outcome&, Context&) {
    return Result<int>(42);
  }});
  return builder;
}

TEST(Fallback, takes_the_place_of_an_error_or_an_exception) {
  const auto recorder = std::make_shared<Recorder>();
  const auto p = with_fallback(recorder).build().value();
  EXPECT_EQ(p.run([] { return 1; }).value(), 1);
  EXPECT_EQ(p.run([]() -> Result<int> { return unavailable("away"); }).value(), 42);
  EXPECT_EQ(p.run([]() -> int { throw 1; }).value(), 42);
  EXPECT_EQ(recorder->in_words(), "fell_back fell_back");
}

TEST(Fallback, takes_the_place_of_a_rejection_inside_it) {
  const auto p = with_fallback().circuit_breaker({}).build().value();
  p.circuit_breaker()->isolate();
  EXPECT_EQ(p.run([] { return 1; }).value(), 42);
}

TEST(Fallback, may_look_at_what_it_replaces_and_fail_itself) {
  const auto p = pipeline("f")
                     .fallback<int>({.action = [](const Outcome& outcome, Context&) -> Result<int> {
                       return invalid_field("was", outcome.error()->message);
                     }})
                     .build()
                     .value();
  EXPECT_EQ(p.run([]() -> Result<int> { return unavailable("away"); }).error().message,
            "was: away");
}

TEST(Fallback, comes_after_the_retries_inside_it) {
  const auto p = with_fallback().retry({.attempts_max = 3, .delay = 0s}).build().value();
  int calls = 0;
  EXPECT_EQ(p.run([&]() -> Result<int> {
               ++calls;
               return unavailable("away");
             }).value(),
            42);
  EXPECT_EQ(calls, 3);
}

TEST(Fallback, does_not_take_the_place_of_a_cancelled_call) {
  const auto p = with_fallback().build().value();
  EXPECT_EQ(p.run([]() -> Result<int> { return cancelled(); }).error().code, Code::cancelled);
}

TEST(Fallback, runs_no_call_that_returns_another_type) {
  const auto p = with_fallback().build().value();
  const auto done = p.run([]() -> std::string {
    ADD_FAILURE();
    return "";
  });
  EXPECT_EQ(done.error().code, Code::failed_precondition);
}

TEST(Fallback, is_refused_without_an_action_and_beside_one_of_another_type) {
  EXPECT_EQ(pipeline("f").fallback<int>({}).build().error().message,
            "fallback.action: none; a fallback needs one");
  auto builder = with_fallback();
  builder.fallback<std::string>(
      {.action = [](const Outcome&, Context&) { return Result<std::string>(""); }});
  EXPECT_EQ(builder.build().error().message,
            "fallback_2: returns another type than a strategy before it");
}

}  // namespace
}  // namespace weir::resilience
