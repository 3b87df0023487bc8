#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include <tests/support/fake_backend.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing_support::FakeBackend;

/// Keeps what it was told.
class Kept final : public StoreObserver {
 public:
  telemetry::Span begin(std::string_view operation, std::string_view,
                        std::span<const telemetry::Context> requests, Instant) override {
    begun.emplace_back(operation);
    auto context = requests.front();
    context.span.span_id.bytes[0] = 0xEE;
    return telemetry::Span(context);
  }
  void committed(const Commit& commit) override {
    appends.push_back(commit.appends);
    events.push_back(commit.events);
    codes.insert(codes.end(), commit.refused.begin(), commit.refused.end());
    errors.push_back(commit.error);
    traced.push_back(commit.traced.size());
    took = commit.took;
  }
  void refused(std::string_view, Code code) override { codes.push_back(code); }
  void read(const Read& read) override { events_read.push_back(read.events); }

  std::vector<std::size_t> appends, events, traced, events_read;
  std::vector<std::string> begun;
  std::vector<Code> codes;
  std::vector<std::optional<Code>> errors;
  std::chrono::nanoseconds took{};
};

class Observed : public testing::Test {
 protected:
  Observed() {
    auto backend = std::make_unique<FakeBackend>();
    fake_ = backend.get();
    LogEngineOptions options;
    options.committer.observer = &kept_;
    log_ = std::make_shared<Log>(std::move(backend), std::make_shared<Tail>(Tail::Options{}),
                                 TermHasher(1, {}), std::make_shared<Threads>(), system_clock(),
                                 options);
  }
  static AppendRequest lent(int events = 1) {
    AppendRequest request;
    for (int i = 0; i < events; ++i) request.events.push_back({.type = "Lent", .data = "{}"});
    return request;
  }

  Kept kept_;
  FakeBackend* fake_ = nullptr;
  std::shared_ptr<Log> log_;
};

TEST_F(Observed, commit_is_told_with_its_appends_events_and_time) {
  fake_->set_commit_time(20ms);
  ASSERT_TRUE(log_->append(lent(3)));
  EXPECT_THAT(kept_.appends, ElementsAre(1));
  EXPECT_THAT(kept_.events, ElementsAre(3));
  EXPECT_GE(kept_.took, 20ms);
  EXPECT_THAT(kept_.codes, testing::IsEmpty());
}

TEST_F(Observed, refusals_are_told_with_their_codes) {
  ASSERT_TRUE(log_->append(lent()));
  auto conflicting = lent();
  conflicting.condition = Condition{};
  EXPECT_FALSE(log_->append(std::move(conflicting)));
  EXPECT_FALSE(log_->append({}));
  EXPECT_THAT(kept_.codes, ElementsAre(Code::aborted, Code::invalid_argument));
  EXPECT_THAT(kept_.appends, ElementsAre(1, 0));
}

TEST_F(Observed, commit_that_failed_is_told_as_an_error) {
  fake_->set_commits(FakeBackend::Commits::fail);
  EXPECT_FALSE(log_->append(lent()));
  EXPECT_THAT(kept_.errors, ElementsAre(Code::unavailable));
  EXPECT_THAT(kept_.codes, ElementsAre(Code::unavailable));
}

TEST_F(Observed, replayed_append_is_not_told_as_events) {
  auto request = lent();
  request.idempotency_key = "once";
  ASSERT_TRUE(log_->append(request));
  ASSERT_TRUE(log_->append(request));
  EXPECT_THAT(kept_.events, ElementsAre(1, 0));
}

TEST_F(Observed, commit_names_the_traces_that_are_recorded) {
  auto request = lent();
  request.call.context.span =
      *telemetry::parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(log_->append(request));
  request.call.context.span.sampled = false;
  ASSERT_TRUE(log_->append(request));
  EXPECT_THAT(kept_.traced, ElementsAre(1, 0));
}

TEST_F(Observed, read_is_told_with_its_events) {
  ASSERT_TRUE(log_->append(lent(2)));
  ASSERT_TRUE(log_->read_step(ReadRequest{}));
  EXPECT_THAT(kept_.events_read, ElementsAre(2));
}

TEST_F(Observed, log_says_how_it_stands) {
  ASSERT_TRUE(log_->append(lent(2)));
  EXPECT_EQ(log_->gauges()->head, 2);
  EXPECT_EQ(log_->gauges()->subscribers, 0);
  EXPECT_FALSE(log_->gauges()->subscription_lag);
  const auto subscription = log_->subscribe({});
  ASSERT_TRUE(subscription);
  EXPECT_EQ(log_->gauges()->subscribers, 1);
  EXPECT_EQ(log_->gauges()->subscription_lag, 2);
  ASSERT_TRUE((*subscription)->next());
  EXPECT_EQ(log_->gauges()->subscription_lag, 0);
}

TEST_F(Observed, stamp_is_in_every_event_but_not_in_what_a_key_stands_for) {
  auto request = lent(2);
  request.events[1].metadata.push_back({"correlation-id", "own"});
  request.idempotency_key = "once";
  request.stamp = {{"correlation-id", "order-7"}, {"traceparent", "a"}};
  ASSERT_TRUE(log_->append(request));
  request.stamp = {{"correlation-id", "order-7"}, {"traceparent", "b"}};
  const auto again = log_->append(request);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_TRUE(again->replayed);
  const auto metadata = fake_->metadata();
  ASSERT_EQ(metadata.size(), 2);
  EXPECT_THAT(metadata[0], ElementsAre(MetadataEntry{"correlation-id", "order-7"},
                                       MetadataEntry{"traceparent", "a"}));
  EXPECT_THAT(metadata[1], ElementsAre(MetadataEntry{"correlation-id", "own"},
                                       MetadataEntry{"traceparent", "a"}));
}

TEST_F(Observed, stamp_never_makes_an_event_too_large) {
  auto request = lent();
  for (int i = 0; i < 64; ++i) request.events[0].metadata.push_back({std::to_string(i), "x"});
  request.stamp = {{"correlation-id", "order-7"}};
  ASSERT_TRUE(log_->append(request));
  EXPECT_EQ(fake_->metadata().at(0).size(), 64);
}

}  // namespace
}  // namespace weir::engine
