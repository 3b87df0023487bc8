#include <weir/base/begin_threads.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace weir {
namespace {

TEST(BeginThreads, gives_what_was_made) {
  const auto made = begin_threads([] { return std::make_unique<std::jthread>([] {}); });
  ASSERT_TRUE(made);
  EXPECT_TRUE((*made)->joinable());
}

TEST(BeginThreads, says_that_none_is_left) {
  const auto made = begin_threads([]() -> int {
    throw std::system_error(EAGAIN, std::generic_category(), "thread constructor");
  });
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::unavailable);
  EXPECT_NE(made.error().message.find("no thread is left"), std::string::npos);
}

TEST(BeginThreads, leaves_other_errors_alone) {
  const auto make = []() -> int { throw std::system_error(EDEADLK, std::generic_category()); };
  EXPECT_THROW(begin_threads(make).value(), std::system_error);
}

}  // namespace
}  // namespace weir
