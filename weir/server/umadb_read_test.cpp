#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <umadb/service.grpc.pb.h>

#include <numeric>

#include <weir/server/umadb_for_tests.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class UmadbRead : public UmadbTest {
 protected:
  /// Types Odd and Even, as their positions are; tagged "mod3:0" and so on.
  void fill(std::uint64_t count) {
    theirs::AppendRequest request;
    const auto before = head_position();
    for (auto position = before + 1; position <= before + count; ++position) {
      add_event(request, position % 2 == 1 ? "Odd" : "Even",
                {"mod3:" + std::to_string(position % 3), "all"});
    }
    ASSERT_EQ(appended(request), before + count);
  }
  /// So many events of so many bytes.
  void fill_large(int count, std::size_t bytes) {
    for (int i = 0; i < count; ++i) appended(one("Large", {}, std::string(bytes, 'x')));
  }
  static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> positions(last < first ? 0 : last - first + 1);
    std::iota(positions.begin(), positions.end(), first);
    return positions;
  }
  static theirs::ReadRequest from(std::uint64_t start) {
    theirs::ReadRequest request;
    request.set_start(start);
    return request;
  }
  static theirs::ReadRequest backwards(std::optional<std::uint64_t> start = std::nullopt) {
    theirs::ReadRequest request;
    request.set_backwards(true);
    if (start) request.set_start(*start);
    return request;
  }
  static theirs::ReadRequest matching(const std::vector<std::string>& types,
                                      const std::vector<std::string>& tags = {}) {
    theirs::ReadRequest request;
    add_item(*request.mutable_query(), types, tags);
    return request;
  }
  /// The events in each message, and each one's head; 0 for none.
  using Shape = std::vector<std::pair<int, std::uint64_t>>;
  Shape shape(const theirs::ReadRequest& request) {
    const auto messages = read(request);
    EXPECT_TRUE(messages.status.ok()) << messages.status.error_message();
    Shape out;
    for (const auto& message : messages.response) {
      EXPECT_TRUE(!message.has_head() || message.head() > 0);
      out.emplace_back(message.events_size(), message.head());
    }
    return out;
  }
};

TEST_F(UmadbRead, gives_all_events_in_order_as_they_were_appended) {
  auto request = one("A", {"x"}, "\xff\x01", uuid(1));
  auto& entry = *request.mutable_events(0)->add_metadata();
  entry.set_key("k");
  entry.set_value("v");
  add_event(request, "B", {"y", "z"}, "{}");
  appended(request);
  const auto read = events();
  EXPECT_THAT(positions_of(read), ElementsAre(1, 2));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read.at(static_cast<std::size_t>(i)).event().SerializeAsString(),
              request.events(i).SerializeAsString());
  }
}

TEST_F(UmadbRead, begins_with_the_start_that_is_given) {
  fill(5);
  EXPECT_EQ(positions_of(events(from(0))), range(1, 5));
  EXPECT_EQ(positions_of(events(from(1))), range(1, 5));
  EXPECT_EQ(positions_of(events(from(3))), range(3, 5));
  EXPECT_EQ(positions_of(events(from(5))), range(5, 5));
  for (const std::uint64_t past : {std::uint64_t{6}, std::uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_THAT(shape(from(past)), ElementsAre(std::pair(0, 5))) << past;
  }
}

TEST_F(UmadbRead, goes_backwards_from_the_start_that_is_given) {
  fill(5);
  EXPECT_THAT(positions_of(events(backwards())), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(positions_of(events(backwards(3))), ElementsAre(3, 2, 1));
  EXPECT_THAT(positions_of(events(backwards(1))), ElementsAre(1));
  for (const std::uint64_t past : {std::uint64_t{6}, std::uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_THAT(positions_of(events(backwards(past))), ElementsAre(5, 4, 3, 2, 1)) << past;
  }
  EXPECT_THAT(shape(backwards(0)), ElementsAre(std::pair(0, 5)));
}

TEST_F(UmadbRead, goes_forwards_when_backwards_is_said_to_be_false) {
  fill(3);
  auto request = from(2);
  request.set_backwards(false);
  EXPECT_THAT(positions_of(events(request)), ElementsAre(2, 3));
}

TEST_F(UmadbRead, gives_what_matches_any_item_by_one_type_and_all_tags) {
  fill(12);
  EXPECT_THAT(positions_of(events(matching({"Odd"}))), ElementsAre(1, 3, 5, 7, 9, 11));
  EXPECT_THAT(positions_of(events(matching({}, {"mod3:0"}))), ElementsAre(3, 6, 9, 12));
  EXPECT_THAT(positions_of(events(matching({"Odd", "None"}, {"all", "mod3:0"}))),
              ElementsAre(3, 9));
  EXPECT_THAT(positions_of(events(matching({}, {"mod3:0", "mod3:1"}))), IsEmpty());
  auto either = matching({"Even"}, {"mod3:0"});
  add_item(*either.mutable_query(), {}, {"mod3:1"});
  EXPECT_THAT(positions_of(events(either)), ElementsAre(1, 4, 6, 7, 10, 12));
  either.set_backwards(true);
  either.set_start(9);
  EXPECT_THAT(positions_of(events(either)), ElementsAre(7, 6, 4, 1));
}

TEST_F(UmadbRead, gives_everything_for_a_query_or_an_item_that_asks_for_nothing) {
  fill(3);
  theirs::ReadRequest without_items;
  without_items.mutable_query();
  EXPECT_EQ(positions_of(events(without_items)), range(1, 3));
  auto empty_item = matching({"None"});
  empty_item.mutable_query()->add_items();
  EXPECT_EQ(positions_of(events(empty_item)), range(1, 3));
}

TEST_F(UmadbRead, answers_one_empty_message_when_nothing_matches) {
  EXPECT_THAT(shape({}), ElementsAre(std::pair(0, 0))) << "and no head in an empty log";
  EXPECT_THAT(shape(backwards()), ElementsAre(std::pair(0, 0)));
  fill(3);
  EXPECT_THAT(shape(matching({"None"})), ElementsAre(std::pair(0, 3)));
}

TEST_F(UmadbRead, gives_no_more_events_than_the_limit_and_the_last_ones_position_as_head) {
  fill(10);
  const auto limited = [](theirs::ReadRequest request, std::uint32_t limit) {
    request.set_limit(limit);
    return request;
  };
  EXPECT_THAT(shape(limited({}, 3)), ElementsAre(std::pair(3, 3)));
  EXPECT_THAT(shape(limited({}, 10)), ElementsAre(std::pair(10, 10)));
  EXPECT_THAT(shape(limited({}, UINT32_MAX)), ElementsAre(std::pair(10, 10)));
  EXPECT_THAT(shape(limited(matching({"Even"}), 2)), ElementsAre(std::pair(2, 4)));
  EXPECT_THAT(shape(limited(matching({"Even"}), 100)), ElementsAre(std::pair(5, 10)));
  EXPECT_THAT(shape(limited(backwards(), 3)), ElementsAre(std::pair(3, 8)));
  EXPECT_THAT(positions_of(events(limited(backwards(), 3))), ElementsAre(10, 9, 8));
  auto in_messages = limited({}, 5);
  in_messages.set_batch_size(2);
  EXPECT_THAT(shape(in_messages), ElementsAre(std::pair(2, 2), std::pair(2, 4), std::pair(1, 5)));
}

TEST_F(UmadbRead, tells_no_head_with_a_limit_when_nothing_matches) {
  fill(3);
  auto none = matching({"None"});
  none.set_limit(1);
  EXPECT_THAT(shape(none), ElementsAre(std::pair(0, 0)));
}

TEST_F(UmadbRead, answers_no_message_for_a_limit_of_0) {
  theirs::ReadRequest none;
  none.set_limit(0);
  EXPECT_THAT(shape(none), IsEmpty());
  fill(3);
  EXPECT_THAT(shape(none), IsEmpty());
}

TEST_F(UmadbRead, puts_1024_events_into_a_message_unless_told_otherwise) {
  fill(2500);
  EXPECT_THAT(shape({}),
              ElementsAre(std::pair(1024, 2500), std::pair(1024, 2500), std::pair(452, 2500)));
  theirs::ReadRequest request;
  request.set_batch_size(1000);
  EXPECT_THAT(shape(request),
              ElementsAre(std::pair(1000, 2500), std::pair(1000, 2500), std::pair(500, 2500)));
  request.set_batch_size(1250);
  EXPECT_THAT(shape(request), ElementsAre(std::pair(1250, 2500), std::pair(1250, 2500)))
      << "and no empty message behind full ones";
}

TEST_F(UmadbRead, holds_the_size_of_messages_between_1_and_4096_events) {
  fill(5000);
  theirs::ReadRequest request;
  for (const auto size : {std::uint32_t{4096}, std::uint32_t{4097}, UINT32_MAX}) {
    request.set_batch_size(size);
    EXPECT_THAT(shape(request), ElementsAre(std::pair(4096, 5000), std::pair(904, 5000))) << size;
  }
  request.set_start(4998);
  request.set_batch_size(0);
  EXPECT_THAT(shape(request),
              ElementsAre(std::pair(1, 5000), std::pair(1, 5000), std::pair(1, 5000)));
}

TEST_F(UmadbRead, fills_messages_with_what_matches_however_sparse_it_is) {
  theirs::AppendRequest request;
  for (int i = 1; i <= 60'000; ++i) add_event(request, i % 20'000 == 0 ? "Rare" : "Common");
  appended(request);
  EXPECT_THAT(shape(matching({"Rare"})), ElementsAre(std::pair(3, 60'000)));
}

TEST_F(UmadbRead, splits_large_messages_each_with_its_head) {
  fill_large(10, 900 << 10);
  const auto messages = read({});
  EXPECT_TRUE(messages.status.ok()) << messages.status.error_message();
  std::vector<std::uint64_t> positions, heads;
  for (const auto& message : messages.response) {
    EXPECT_GT(message.events_size(), 0);
    EXPECT_LT(message.ByteSizeLong(), (2 << 20) + 64);
    heads.push_back(message.head());
    for (const auto position : positions_of(message.events())) positions.push_back(position);
  }
  EXPECT_EQ(positions, range(1, 10));
  EXPECT_GE(heads.size(), 5);
  EXPECT_THAT(heads, Each(10));
}

TEST_F(UmadbRead, gives_events_that_are_larger_than_its_messages_one_by_one) {
  fill_large(3, 4'000'000);
  EXPECT_THAT(shape({}), ElementsAre(std::pair(1, 3), std::pair(1, 3), std::pair(1, 3)));
  EXPECT_THAT(positions_of(events(backwards())), ElementsAre(3, 2, 1));
}

TEST_F(UmadbRead, gives_no_event_that_is_appended_after_it_began) {
  // Far more than is on its way while nobody reads.
  fill_large(32, 2'000'000);
  UmadbContext context;
  const auto stream = stub_->Read(&context, {});
  theirs::ReadResponse message;
  ASSERT_TRUE(stream->Read(&message));
  auto positions = positions_of(message.events());
  EXPECT_EQ(appended(one("Later")), 33);
  while (stream->Read(&message)) {
    EXPECT_EQ(message.head(), 32);
    for (const auto position : positions_of(message.events())) positions.push_back(position);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(positions, range(1, 32));
}

TEST_F(UmadbRead, can_be_given_up_half_way) {
  fill_large(32, 2'000'000);
  UmadbContext context;
  const auto stream = stub_->Read(&context, {});
  theirs::ReadResponse message;
  ASSERT_TRUE(stream->Read(&message));
  context.TryCancel();
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  EXPECT_EQ(head_position(), 32);
}

TEST_F(UmadbRead, does_not_subscribe) {
  fill(1);
  theirs::ReadRequest request;
  request.set_subscribe(true);
  const auto refused = read(request);
  expect_invalid(refused.status);
  EXPECT_TRUE(refused.response.empty());
  request.set_subscribe(false);
  EXPECT_THAT(positions_of(events(request)), ElementsAre(1));
}

class UmadbSubscribe : public UmadbRead {
 protected:
  using Stream = std::unique_ptr<grpc::ClientReader<theirs::SubscribeResponse>>;

  /// Comes back once the server has taken it.
  Stream subscribe(grpc::ClientContext& context, const theirs::SubscribeRequest& request = {}) {
    auto stream = stub_->Subscribe(&context, request);
    stream->WaitForInitialMetadata();
    return stream;
  }
  static theirs::SubscribeRequest after(std::uint64_t position) {
    theirs::SubscribeRequest request;
    request.set_after(position);
    return request;
  }
  /// The next so many events or more, in as many messages as it takes, of which none is empty.
  static std::vector<std::uint64_t> next(const Stream& stream, std::size_t count) {
    std::vector<std::uint64_t> positions;
    theirs::SubscribeResponse message;
    while (positions.size() < count && stream->Read(&message)) {
      EXPECT_GT(message.events_size(), 0);
      for (const auto position : positions_of(message.events())) positions.push_back(position);
    }
    return positions;
  }
};

TEST_F(UmadbSubscribe, begins_at_the_start_or_past_the_position_given) {
  fill(5);
  UmadbContext all, from_0, from_3, from_5;
  EXPECT_EQ(next(subscribe(all), 5), range(1, 5));
  EXPECT_EQ(next(subscribe(from_0, after(0)), 5), range(1, 5));
  EXPECT_EQ(next(subscribe(from_3, after(3)), 2), range(4, 5));
  const auto at_head = subscribe(from_5, after(5));
  fill(1);
  EXPECT_EQ(next(at_head, 1), range(6, 6));
}

TEST_F(UmadbSubscribe, goes_on_with_events_as_they_come) {
  UmadbContext context;
  const auto stream = subscribe(context);
  for (std::uint64_t position = 1; position <= 20; ++position) {
    fill(1);
    EXPECT_EQ(next(stream, 1), range(position, position));
  }
}

TEST_F(UmadbSubscribe, tells_each_subscriber_once_of_what_is_appended_in_between) {
  fill(3000);
  UmadbContext context;
  const auto stream = subscribe(context);
  fill(3000);
  EXPECT_EQ(next(stream, 6000), range(1, 6000));
}

TEST_F(UmadbSubscribe, waits_for_positions_past_the_head) {
  fill(2);
  UmadbContext context;
  const auto stream = subscribe(context, after(4));
  fill(2);
  fill(2);
  EXPECT_EQ(next(stream, 2), range(5, 6));
}

TEST_F(UmadbSubscribe, tells_only_of_what_matches) {
  fill(4);
  UmadbContext context;
  theirs::SubscribeRequest request;
  add_item(*request.mutable_query(), {"Even"}, {"all"});
  const auto stream = subscribe(context, request);
  EXPECT_THAT(next(stream, 2), ElementsAre(2, 4));
  fill(1);
  fill(1);
  EXPECT_THAT(next(stream, 1), ElementsAre(6));
}

TEST_F(UmadbSubscribe, finds_types_and_tags_that_are_empty_or_as_long_as_they_can_be) {
  const std::string longest(65'535, 'x');
  appended(one(longest, {longest}));
  appended(one("", {""}));
  for (const auto& [name, position] : {std::pair(longest, 1), std::pair(std::string(), 2)}) {
    const auto reading = matching({name}, {name});
    EXPECT_THAT(positions_of(events(reading)), ElementsAre(position));
    UmadbContext context;
    theirs::SubscribeRequest request;
    *request.mutable_query() = reading.query();
    EXPECT_THAT(next(subscribe(context, request), 1), ElementsAre(position));
  }
}

TEST_F(UmadbSubscribe, puts_no_more_events_into_a_message_than_it_is_told) {
  fill(2500);
  const auto sizes = [&](std::optional<std::uint32_t> size) {
    UmadbContext context;
    theirs::SubscribeRequest request;
    if (size) request.set_batch_size(*size);
    const auto stream = subscribe(context, request);
    std::vector<int> out;
    theirs::SubscribeResponse message;
    for (int all = 0; all < 2500 && stream->Read(&message); all += out.back()) {
      out.push_back(message.events_size());
    }
    return out;
  };
  EXPECT_THAT(sizes(std::nullopt), ElementsAre(1024, 1024, 452));
  EXPECT_THAT(sizes(1000), ElementsAre(1000, 1000, 500));
  EXPECT_EQ(sizes(0), std::vector<int>(2500, 1));
}

TEST_F(UmadbSubscribe, splits_large_messages) {
  fill_large(8, 400 << 10);
  UmadbContext context;
  const auto stream = subscribe(context);
  std::vector<std::uint64_t> positions;
  theirs::SubscribeResponse message;
  while (positions.size() < 8 && stream->Read(&message)) {
    EXPECT_LT(message.ByteSizeLong(), 1600 << 10);
    for (const auto position : positions_of(message.events())) positions.push_back(position);
  }
  EXPECT_EQ(positions, range(1, 8));
}

TEST_F(UmadbSubscribe, ends_at_once_after_the_greatest_number) {
  fill(1);
  UmadbContext context;
  const auto stream = stub_->Subscribe(&context, after(UINT64_MAX));
  theirs::SubscribeResponse message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(UmadbSubscribe, can_be_cancelled_while_it_waits) {
  fill(1);
  UmadbContext context;
  const auto stream = subscribe(context);
  EXPECT_EQ(next(stream, 1), range(1, 1));
  context.TryCancel();
  theirs::SubscribeResponse message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  fill(1);
  UmadbContext another;
  EXPECT_EQ(next(subscribe(another), 2), range(1, 2));
}

TEST_F(UmadbSubscribe, ends_without_an_error_when_the_server_shuts_down) {
  fill(1);
  UmadbContext told_context, silent_context;
  const auto told = subscribe(told_context), silent = subscribe(silent_context, after(1));
  EXPECT_EQ(next(told, 1), range(1, 1));
  server_->shut_down(10s);
  theirs::SubscribeResponse message;
  for (const auto& stream : {told.get(), silent.get()}) {
    EXPECT_FALSE(stream->Read(&message));
    const auto status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

/// What all calls have in common.
class UmadbCalls : public UmadbTest {
 protected:
  static theirs::AppendRequest tracked(const std::string& source, std::uint64_t position,
                                       theirs::AppendRequest request) {
    request.mutable_tracking_info()->set_source(source);
    request.mutable_tracking_info()->set_position(position);
    return request;
  }
};

TEST_F(UmadbCalls, go_to_the_log_that_the_metadata_name) {
  ASSERT_TRUE(catalog_->create("other", {}));
  EXPECT_EQ(append(tracked("s", 5, one("Other")), "other").response.position(), 1);
  EXPECT_EQ(head("other").response.position(), 1);
  EXPECT_EQ(tracking("s", "other").response.position(), 5);
  const auto there = read({}, "other");
  ASSERT_EQ(there.response.size(), 1);
  EXPECT_EQ(there.response[0].events(0).event().event_type(), "Other");
  EXPECT_EQ(head_position(), 0);
  EXPECT_FALSE(tracking("s").response.has_position());
  EXPECT_TRUE(events().empty());
  EXPECT_EQ(append(one("T"), "default").response.position(), 1);
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbCalls, are_served_under_their_older_name_too) {
  const auto older = ::umadb::UmaDBService::NewStub(channel_);
  UmadbContext append_call, head_call, tracking_call, read_call, subscribe_call;
  theirs::AppendResponse position;
  ASSERT_TRUE(older->Append(&append_call, tracked("s", 5, one("T")), &position).ok());
  EXPECT_EQ(position.position(), 1);
  theirs::HeadResponse head;
  ASSERT_TRUE(older->Head(&head_call, {}, &head).ok());
  EXPECT_EQ(head.position(), 1);
  theirs::TrackingRequest source;
  source.set_source("s");
  theirs::TrackingResponse recorded;
  ASSERT_TRUE(older->GetTrackingInfo(&tracking_call, source, &recorded).ok());
  EXPECT_EQ(recorded.position(), 5);
  theirs::ReadResponse message;
  const auto read = older->Read(&read_call, {});
  ASSERT_TRUE(read->Read(&message));
  EXPECT_THAT(positions_of(message.events()), ElementsAre(1));
  EXPECT_FALSE(read->Read(&message));
  EXPECT_TRUE(read->Finish().ok());
  theirs::SubscribeResponse news;
  const auto subscription = older->Subscribe(&subscribe_call, {});
  ASSERT_TRUE(subscription->Read(&news));
  EXPECT_THAT(positions_of(news.events()), ElementsAre(1));
  EXPECT_EQ(events().size(), 1) << "it is the same log";
}

}  // namespace
}  // namespace weir::server
