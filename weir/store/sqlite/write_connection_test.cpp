#include <gtest/gtest.h>

#include <weir/sql/sqlite/session.hpp>
#include <weir/store/sqlite/store.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

/// A log of two processes, after it lost its last events while one of them knew them.
struct RewoundFile : ::testing::Test {
  testing_support::TemporaryFolder folder;
  const std::string path = folder.file("log.db");

  std::shared_ptr<EventStore> open() const {
    return Store::open({.path = path}, std::make_shared<engine::Threads>())
        .value()
        ->open("default", {})
        .value();
  }
  static void append(EventStore& log, std::size_t count, const char* tag) {
    const auto added = event("T").json("{}").tagged(tag);
    ASSERT_TRUE(log.append({.events = std::vector<Event>(count, added)}));
  }
  /// As if an older copy had taken the file's place.
  void lose_past(int position) const {
    auto session = Session::open({.path = path}).value();
    ASSERT_TRUE(session.execute(
        ("DELETE FROM event WHERE position > " + std::to_string(position)).c_str()));
  }
  static Result<Appended> append_if_none(EventStore& log, const char* tag, std::uint64_t after) {
    return log.append({.events = {event("T").json("{}")},
                       .condition = Condition{.fail_if_events_match = Query{}.tagged(tag),
                                              .after = Position(after)}});
  }
};

TEST_F(RewoundFile, is_judged_by_what_it_holds_though_others_wrote_past_its_old_end) {
  const auto one = open();
  append(*one, 6, "base");
  append(*one, 5, "lost");
  lose_past(6);
  const auto other = open();
  append(*other, 5, "found");
  append(*other, 5, "further");
  const auto refused = append_if_none(*one, "found", 6);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.at("position"), "7");
  EXPECT_FALSE(append_if_none(*one, "further", 6));
  EXPECT_TRUE(append_if_none(*one, "lost", 6));
}

// Readers too bring the tail up, by which conditions are judged.
TEST_F(RewoundFile, is_judged_by_what_it_holds_after_it_was_read) {
  const auto one = open();
  append(*one, 6, "base");
  append(*one, 5, "lost");
  lose_past(6);
  const auto other = open();
  append(*other, 5, "found");
  append(*other, 200, "further");
  ASSERT_TRUE(one->read_step({.query = Query{}.tagged("further")}));
  EXPECT_FALSE(append_if_none(*one, "found", 6));
  EXPECT_TRUE(append_if_none(*one, "lost", 6));
}

// Few events lie past what it knew, so that nothing of the tail is brought up.
TEST_F(RewoundFile, is_read_as_it_is) {
  const auto one = open();
  append(*one, 6, "base");
  append(*one, 5, "lost");
  ASSERT_EQ(one->read({}).collect()->events.size(), 11);
  lose_past(6);
  const auto other = open();
  append(*other, 5, "found");
  append(*other, 5, "further");
  const auto count = [&](const Query& query) {
    return one->read({.query = query}).collect()->events.size();
  };
  EXPECT_EQ(count(Query{}.tagged("found")), 5);
  EXPECT_EQ(count(Query{}.tagged("lost")), 0);
  EXPECT_EQ(count(Query{}.tagged("further")), 5);
  const auto all = one->read({.after = Position(6)}).collect();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->events.size(), 10);
  EXPECT_EQ(all->events.front().tags.front(), "found");
  EXPECT_FALSE(append_if_none(*one, "found", 6));
  EXPECT_TRUE(append_if_none(*one, "lost", 6));
}

TEST_F(RewoundFile, is_noticed_by_subscribers_though_nobody_here_appends) {
  const auto one = open();
  append(*one, 6, "base");
  append(*one, 5, "lost");
  const auto subscription = one->subscribe({}).value();
  while (subscription->cursor() < Position(11)) ASSERT_TRUE(subscription->next());
  lose_past(6);
  const auto other = open();
  append(*other, 10, "found");
  Result<SubscriptionStep> step = SubscriptionStep();
  for (int i = 0; step && i < 100; ++i) step = subscription->next(std::chrono::seconds(1));
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().reason, Reason::log_rewound);
  const auto fresh = one->subscribe({.after = Position(6)}).value();
  const auto found = fresh->next();
  ASSERT_TRUE(found);
  ASSERT_FALSE(found->batch.empty());
  EXPECT_EQ((*found->batch.begin()).tags().front(), "found");
}

}  // namespace
}  // namespace weir::sqlite
