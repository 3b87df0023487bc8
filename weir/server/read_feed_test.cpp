#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include <weir/server/streams.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/testing/memory_store.hpp>
#include <weir/store/testing/passing_store.hpp>

namespace weir::server {
namespace {

using ::testing::ElementsAre;

/// A store whose reads are answered when the test says, in any order.
class Waiting final : public testing::PassingStore {
 public:
  using PassingStore::PassingStore;
  using PassingStore::read_step;
  void read_step(ReadRequest request, Done<ReadStep> done) override {
    if (at_once) return done(read_step(request));
    asked.push_back({std::move(request), std::move(done)});
  }

  struct Asked {
    ReadRequest request;
    Done<ReadStep> done;
  };
  std::vector<Asked> asked;
  bool at_once = false;

  void answer(std::size_t index) {
    auto one = take(index);
    one.done(read_step(one.request));
  }
  Asked take(std::size_t index) {
    auto one = std::move(asked.at(index));
    asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(index));
    return one;
  }
};

struct ReadFeed : ::testing::Test {
  testing::MemoryStore memory{"default"};
  std::shared_ptr<Waiting> log = std::make_shared<Waiting>(memory);

  void fill(std::uint64_t events) {
    for (std::uint64_t i = 0; i < events; ++i) {
      ASSERT_TRUE(memory.append({.events = {{.type = i % 2 ? "Odd" : "Even", .data = "{}"}}}));
    }
  }

  static ReadStep step_of(const grpc::ByteBuffer& message) {
    grpc::Slice slice;
    EXPECT_TRUE(message.DumpToSingleSlice(&slice).ok());
    return remote::read_step_from_wire({reinterpret_cast<const char*>(slice.begin()), slice.size()})
        .value();
  }

  /// Everything that a feed gives, with its reads answered in an order of chance.
  std::vector<std::uint64_t> all_of(ReadRequest request, unsigned seed) {
    std::mt19937 random(seed);
    const auto feed = make_read_feed(log, std::move(request));
    std::vector<std::uint64_t> positions;
    bool over = false;
    while (!over) {
      bool told = false;
      bool last = false;
      feed->next([&](Result<std::optional<grpc::ByteBuffer>> message) {
        told = true;
        over = !message.value().has_value();
        if (over) return;
        const auto step = step_of(**message);
        for (const auto& event : step.batch) positions.push_back(event.position().value);
        last = step.end;
      });
      most_at_once = std::max(most_at_once, log->asked.size());
      while (!told) {
        if (log->asked.empty()) throw std::logic_error("neither told nor asking");
        log->answer(random() % log->asked.size());
      }
      if (last) ended_with_last = true;
    }
    EXPECT_TRUE(log->asked.empty());
    return positions;
  }
  std::size_t most_at_once = 0;
  bool ended_with_last = false;
};

std::vector<std::uint64_t> range(std::uint64_t after, std::uint64_t until) {
  std::vector<std::uint64_t> positions;
  for (auto position = after + 1; position <= until; ++position) positions.push_back(position);
  return positions;
}

TEST_F(ReadFeed, gives_everything_in_order_though_steps_come_out_of_order) {
  fill(2000);
  for (unsigned seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(all_of({.batch_events_max = 100}, seed), range(0, 2000));
    EXPECT_EQ(all_of({.after = Position(77), .until = Position(1500)}, seed), range(77, 1500));
  }
  EXPECT_EQ(most_at_once, 2);
  EXPECT_TRUE(ended_with_last);
}

TEST_F(ReadFeed, gives_everything_where_steps_are_smaller_than_pieces) {
  // Steps end with the bytes that a message may have.
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(memory.append(
        {.events = {{.type = "Large", .data = '"' + std::string(200 << 10, 'x') + '"'}}}));
  }
  for (unsigned seed = 0; seed < 5; ++seed) EXPECT_EQ(all_of({}, seed), range(0, 100));
}

TEST_F(ReadFeed, reads_one_step_after_the_other_what_positions_do_not_tell) {
  fill(2000);
  const auto odd = all_of({.query = Query{}.of_type("Odd")}, 1);
  EXPECT_EQ(odd.size(), 1000);
  EXPECT_TRUE(std::is_sorted(odd.begin(), odd.end()));
  auto backwards = all_of({.direction = Direction::backwards}, 1);
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(backwards, range(0, 2000));
  EXPECT_EQ(all_of({.after = Position(5), .limit = 200}, 1), range(5, 205));
  EXPECT_EQ(most_at_once, 1);
}

TEST_F(ReadFeed, ends_at_the_head_it_began_with) {
  fill(500);
  const auto feed = make_read_feed(log, {});
  std::vector<ReadStep> steps;
  bool over = false;
  while (!over) {
    feed->next([&](Result<std::optional<grpc::ByteBuffer>> message) {
      over = !message.value().has_value();
      if (!over) steps.push_back(step_of(**message));
    });
    while (!log->asked.empty()) log->answer(0);
    fill(50);
  }
  std::uint64_t events = 0;
  for (const auto& step : steps) {
    events += step.batch.size();
    EXPECT_EQ(step.head.value, 500);
    EXPECT_EQ(step.end, &step == &steps.back());
  }
  EXPECT_EQ(events, 500);
}

TEST_F(ReadFeed, says_what_went_wrong_in_its_turn) {
  fill(500);
  const auto feed = make_read_feed(log, {});
  std::vector<std::string> told;
  const auto next = [&] {
    feed->next([&](Result<std::optional<grpc::ByteBuffer>> message) {
      told.push_back(message ? std::to_string(step_of(**message).batch.size())
                             : to_string(message.error()));
    });
  };
  next();
  log->answer(0);
  next();
  ASSERT_EQ(log->asked.size(), 2);
  log->take(1).done(damaged("the second piece is torn"));
  EXPECT_THAT(told, ElementsAre("16"));
  log->answer(0);
  next();
  EXPECT_THAT(told, ElementsAre("16", "128", to_string(damaged("the second piece is torn"))));
}

TEST_F(ReadFeed, may_go_while_it_reads_ahead) {
  fill(500);
  auto feed = make_read_feed(log, {});
  const auto nothing = [](const Result<std::optional<grpc::ByteBuffer>>&) {};
  feed->next(nothing);
  log->answer(0);
  feed->next(nothing);
  ASSERT_EQ(log->asked.size(), 2);
  log->answer(0);
  feed.reset();
  log->answer(0);
  EXPECT_TRUE(log->asked.empty());
}

// As a stream does that its caller has cancelled.
TEST_F(ReadFeed, may_go_when_it_tells) {
  fill(500);
  log->at_once = true;
  auto feed = make_read_feed(log, {});
  bool told = false;
  feed->next([&](const Result<std::optional<grpc::ByteBuffer>>&) {
    told = true;
    feed.reset();
  });
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace weir::server
