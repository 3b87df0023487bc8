#include <gtest/gtest.h>

#include <weir/sql/sqlite/session.hpp>
#include <weir/store/sqlite/store.hpp>
#include <weir/store/sqlite/write_connection.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

/// A log of two processes.
struct LogOfTwo : ::testing::Test {
  testing_support::TemporaryFolder folder;
  const std::string path = folder.file("log.db");

  std::shared_ptr<EventStore> open(engine::CommitterOptions committer = {}) const {
    return Store::open({.path = path, .engine = {.committer = committer}},
                       std::make_shared<engine::Threads>())
        .value()
        ->open("default", {})
        .value();
  }
  static void append(EventStore& log, std::size_t count, const char* tag,
                     const std::string& data = "{}") {
    const auto added = event("T").json(data).tagged(tag);
    ASSERT_TRUE(log.append({.events = std::vector<Event>(count, added)}));
  }
  static Result<Appended> append_if_none(EventStore& log, const char* tag, std::uint64_t after) {
    return log.append({.events = {event("T").json("{}")},
                       .condition = Condition{.fail_if_events_match = Query{}.tagged(tag),
                                              .after = Position(after)}});
  }
};

struct MissedEvents : LogOfTwo {
  const std::string large = '"' + std::string(1000, 'x') + '"';
};

TEST_F(MissedEvents, are_the_newest_in_order_that_are_wanted) {
  const auto other = open();
  append(*other, 100, "any", large);
  const auto file = File::open({.path = path}).value();
  FileWriter writer(file, std::make_shared<WriteConnection>(file, std::make_shared<IndexQueue>()));
  const auto missed = [&](const engine::BeginRequest& request) {
    auto begun = writer.begin(request).value();
    writer.rollback();
    EXPECT_EQ(begun.head, Position(100));
    auto next = begun.missed.first();
    for (const auto& event : begun.missed) {
      EXPECT_EQ(event.position(), next);
      next = next.next();
    }
    EXPECT_EQ(next, Position(101));
    return begun.missed;
  };
  EXPECT_EQ(missed({.missed_max = 1000}).first(), Position(1));
  EXPECT_EQ(missed({.known = Position(95), .missed_max = 1000}).first(), Position(96));
  EXPECT_EQ(missed({.missed_max = 3}).first(), Position(98));
  const auto bounded = missed({.missed_max = 1000, .missed_bytes_max = 10'000});
  EXPECT_GT(bounded.bytes(), 9'000u);
  EXPECT_LT(bounded.bytes(), 12'000u);
}

TEST_F(MissedEvents, are_judged_by_also_when_they_were_too_much_to_be_learned) {
  const auto one = open({.missed_bytes_max = 10'000}), other = open();
  append(*one, 1, "first");
  append(*other, 1, "early");
  append(*other, 100, "late", large);
  const auto refused = append_if_none(*one, "early", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.at("position"), "2");
  EXPECT_LT(one->gauges()->tail_events, 20u);
  EXPECT_FALSE(append_if_none(*one, "late", 50));
  EXPECT_FALSE(append_if_none(*one, "late", 101));
  EXPECT_EQ(append_if_none(*one, "none", 1)->last, Position(103));
}

/// After it lost its last events while one of them knew them.
struct RewoundFile : LogOfTwo {
  /// As if an older copy had taken the file's place.
  void lose_past(int position) const {
    auto session = Session::open({.path = path}).value();
    ASSERT_TRUE(session.execute(
        ("DELETE FROM event WHERE position > " + std::to_string(position)).c_str()));
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
