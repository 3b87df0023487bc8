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

}  // namespace
}  // namespace weir::sqlite
