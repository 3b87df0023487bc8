#include <weir/server/health_news.hpp>

#include <gmock/gmock.h>

#include <vector>

namespace weir::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Status = HealthNews::Status;

/// A watcher that takes a message when the test says.
class News : public ::testing::Test {
 protected:
  void take() {
    news_.next([this](Result<std::optional<grpc::ByteBuffer>> message) {
      said_.push_back(*message
                          ? Status::ServingStatus_Name(parse_message<Status>(**message)->status())
                          : "the end");
    });
  }

  HealthNews news_;
  std::vector<std::string> said_;
};

TEST_F(News, are_told_once_each_as_they_come) {
  take();
  EXPECT_THAT(said_, IsEmpty());
  news_.changed(HealthStatus::healthy);
  take();
  news_.changed(HealthStatus::degraded);
  news_.changed(HealthStatus::unhealthy);
  EXPECT_THAT(said_, ElementsAre("SERVING", "NOT_SERVING"));
}

TEST_F(News, that_wait_for_a_slow_watcher_are_the_newest_alone) {
  news_.changed(HealthStatus::healthy);
  news_.changed(HealthStatus::unhealthy);
  take();
  EXPECT_THAT(said_, ElementsAre("NOT_SERVING"));
}

// The server served no more, and the last word that its watchers had was that it did.
TEST_F(News, that_are_over_before_they_are_taken_are_not_told) {
  news_.changed(HealthStatus::unhealthy);
  take();
  news_.changed(HealthStatus::healthy);
  news_.changed(HealthStatus::unhealthy);
  take();
  EXPECT_THAT(said_, ElementsAre("NOT_SERVING"));
  news_.changed(HealthStatus::healthy);
  EXPECT_THAT(said_, ElementsAre("NOT_SERVING", "SERVING"));
}

TEST_F(News, end_with_the_last_word_and_nothing_comes_after_it) {
  news_.changed(HealthStatus::unhealthy);
  take();
  news_.changed(HealthStatus::healthy);
  news_.end(Status::NOT_SERVING);
  news_.changed(HealthStatus::healthy);
  take();
  EXPECT_THAT(said_, ElementsAre("NOT_SERVING", "the end"));
}

TEST_F(News, end_with_the_last_word_first_where_it_is_one) {
  news_.changed(HealthStatus::healthy);
  take();
  take();
  news_.end(Status::NOT_SERVING);
  news_.end(std::nullopt);
  EXPECT_THAT(said_, ElementsAre("SERVING", "NOT_SERVING"));
  take();
  EXPECT_THAT(said_, ElementsAre("SERVING", "NOT_SERVING", "the end"));
}

}  // namespace
}  // namespace weir::server
