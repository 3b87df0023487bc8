#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/server/umadb_for_tests.hpp>

namespace weir::server {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t name_bytes_max = 65'535;
constexpr std::size_t entries_max = 65'535;
constexpr std::size_t message_bytes = 4 << 20;

class UmadbAppend : public UmadbTest {
 protected:
  /// With the condition that nothing of the type is past `after`.
  static theirs::AppendRequest unless(const std::string& type, theirs::AppendRequest request,
                                      std::optional<std::uint64_t> after = std::nullopt) {
    add_item(*request.mutable_condition()->mutable_fail_if_events_match(), {type});
    if (after) request.mutable_condition()->set_after(*after);
    return request;
  }
  static theirs::AppendRequest tracked(const std::string& source, std::uint64_t position,
                                       theirs::AppendRequest request = {}) {
    request.mutable_tracking_info()->set_source(source);
    request.mutable_tracking_info()->set_position(position);
    return request;
  }
  static theirs::MetadataEntry entry(const std::string& key, const std::string& value) {
    theirs::MetadataEntry made;
    made.set_key(key);
    made.set_value(value);
    return made;
  }
  static theirs::AppendRequest with_metadata(const std::vector<theirs::MetadataEntry>& entries) {
    auto request = one("T");
    request.mutable_events(0)->mutable_metadata()->Add(entries.begin(), entries.end());
    return request;
  }
  /// An append whose message has exactly so many bytes.
  static theirs::AppendRequest of_bytes(std::size_t bytes) {
    auto request = one("T", {}, std::string(bytes, 'x'));
    request.mutable_events(0)->mutable_data()->resize(2 * bytes - request.ByteSizeLong());
    EXPECT_EQ(request.ByteSizeLong(), bytes);
    return request;
  }
  /// Events of the type with these numbers' uuids, on condition that there are none.
  static theirs::AppendRequest numbered(const std::vector<int>& numbers,
                                        const std::string& type = "T") {
    theirs::AppendRequest request;
    for (const int number : numbers) add_event(request, type, {}, {}, uuid(number));
    return unless("T", request);
  }
};

TEST_F(UmadbAppend, answers_the_position_of_the_last_event) {
  auto three = one("A");
  add_event(three, "B");
  add_event(three, "C");
  EXPECT_EQ(appended(three), 3);
  EXPECT_EQ(appended(one("D")), 4);
  EXPECT_EQ(head_position(), 4);
}

TEST_F(UmadbAppend, keeps_tags_and_metadata_in_order_and_duplicate_tags) {
  const std::vector<std::string> tags = {"z", "a", "", "z", "ä:ö"};
  auto request = one("Type", tags);
  for (const auto* key : {"z", "a", "", "Z"}) {
    *request.mutable_events(0)->add_metadata() = entry(key, std::string("of ") + key);
  }
  appended(request);
  const auto read = events();
  ASSERT_EQ(read.size(), 1);
  EXPECT_EQ(read[0].event().SerializeAsString(), request.events(0).SerializeAsString());
}

TEST_F(UmadbAppend, keeps_data_byte_for_byte) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  const std::vector<std::string> data = {every_byte, "", "{ \"a\" : 1.0 }", "{broken",
                                         std::string(1, '\0')};
  theirs::AppendRequest request;
  for (const auto& each : data) add_event(request, "T", {}, each);
  appended(request);
  std::vector<std::string> read;
  for (const auto& event : events()) read.push_back(event.event().data());
  EXPECT_EQ(read, data);
}

TEST_F(UmadbAppend, takes_an_event_of_nothing) {
  theirs::AppendRequest request;
  request.add_events();
  EXPECT_EQ(appended(request), 1);
  const auto read = events();
  ASSERT_EQ(read.size(), 1);
  EXPECT_EQ(read[0].event().ByteSizeLong(), 0);
  EXPECT_FALSE(read[0].has_tracking_info());
}

TEST_F(UmadbAppend, shows_other_protocols_events_of_bytes_without_an_id) {
  appended(one("T", {"x", "x"}, "\xff{"));
  const auto log = catalog_->open("default").value();
  const auto step = log->read_step(ReadRequest());
  ASSERT_TRUE(step);
  ASSERT_EQ(step->batch.size(), 1);
  for (const auto& each : step->batch) {
    EXPECT_FALSE(each.id());
    EXPECT_EQ(each.type(), "T");
    EXPECT_EQ(each.data(), "\xff{");
    EXPECT_EQ(each.content_type(), "application/octet-stream");
  }
}

TEST_F(UmadbAppend, leaves_an_event_without_a_uuid_when_it_came_without) {
  auto request = one("T");
  add_event(request, "T", {}, {}, uuid(1));
  appended(request);
  const auto read = events();
  ASSERT_EQ(read.size(), 2);
  EXPECT_EQ(read[0].event().uuid(), "");
  EXPECT_EQ(read[1].event().uuid(), uuid(1));
}

TEST_F(UmadbAppend, takes_uuids_in_each_of_their_forms) {
  const std::string plain = "67e55044-10b1-426f-9247-bb680e5fe0c8";
  const std::vector<std::string> forms = {plain,
                                          "67e5504410b1426f9247bb680e5fe0c8",
                                          "67E55044-10B1-426F-9247-BB680E5FE0C8",
                                          "67E5504410B1426F9247BB680E5FE0C8",
                                          "67e55044-10B1-426f-9247-bb680E5FE0C8",
                                          "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
                                          "{67E55044-10B1-426F-9247-BB680E5FE0C8}",
                                          "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
                                          "urn:uuid:67E55044-10B1-426F-9247-BB680E5FE0C8"};
  theirs::AppendRequest request;
  for (const auto& form : forms) add_event(request, "T", {}, {}, form);
  appended(request);
  const auto read = events();
  ASSERT_EQ(read.size(), forms.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].event().uuid(), plain) << forms[i];
  }
}

TEST_F(UmadbAppend, takes_nothing_else_for_a_uuid) {
  for (const std::string& wrong : std::vector<std::string>{
           "x", " ", "67e55044-10b1-426f-9247-bb680e5fe0c", "67e55044-10b1-426f-9247-bb680e5fe0c80",
           "67e5504410b1426f9247bb680e5fe0c", "67e5504410b1426f9247bb680e5fe0c80",
           "67e55044-10b1-426f-9247-bb680e5fe0cg", "67e5504-410b1-426f-9247-bb680e5fe0c8",
           "67e55044_10b1_426f_9247_bb680e5fe0c8", "{67e5504410b1426f9247bb680e5fe0c8}",
           "urn:uuid:67e5504410b1426f9247bb680e5fe0c8",
           "URN:UUID:67e55044-10b1-426f-9247-bb680e5fe0c8",
           "uuid:67e55044-10b1-426f-9247-bb680e5fe0c8", "{67e55044-10b1-426f-9247-bb680e5fe0c8",
           "67e55044-10b1-426f-9247-bb680e5fe0c8}", "(67e55044-10b1-426f-9247-bb680e5fe0c8)",
           "{urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8}",
           " 67e55044-10b1-426f-9247-bb680e5fe0c8", "67e55044-10b1-426f-9247-bb680e5fe0c8\n"}) {
    auto request = one("T");
    add_event(request, "T", {}, {}, wrong);
    const auto status = append(request).status;
    SCOPED_TRACE(wrong);
    expect_corruption(status);
    EXPECT_THAT(status.error_message(), HasSubstr("events[1].uuid"));
  }
  EXPECT_EQ(head_position(), 0);
}

TEST_F(UmadbAppend, takes_all_events_or_none) {
  auto request = one("T");
  add_event(request, "T", {std::string(name_bytes_max + 1, 't')});
  expect_invalid(append(request).status);
  EXPECT_EQ(head_position(), 0);
}

TEST_F(UmadbAppend, fails_when_an_event_matches_its_condition) {
  appended(one("A", {"x", "y"}));
  const auto given = [](const std::vector<std::string>& types,
                        const std::vector<std::string>& tags) {
    auto request = one("New");
    auto& query = *request.mutable_condition()->mutable_fail_if_events_match();
    add_item(query, {"None"});
    add_item(query, types, tags);
    return request;
  };
  expect_conflict(append(given({"A"}, {})).status);
  expect_conflict(append(given({"B", "A"}, {"y"})).status);
  expect_conflict(append(given({}, {"y", "x"})).status);
  EXPECT_EQ(head_position(), 1);
  EXPECT_EQ(appended(given({"A"}, {"x", "z"})), 2);
  EXPECT_EQ(appended(given({"B"}, {"x"})), 3);
  EXPECT_EQ(appended(given({}, {"X"})), 4);
}

TEST_F(UmadbAppend, takes_a_condition_without_a_query_for_one_on_every_event) {
  auto without_query = one("T");
  without_query.mutable_condition();
  auto without_items = one("T");
  without_items.mutable_condition()->mutable_fail_if_events_match();
  EXPECT_EQ(appended(without_query), 1);
  expect_conflict(append(without_query).status);
  expect_conflict(append(without_items).status);
  without_query.mutable_condition()->set_after(0);
  expect_conflict(append(without_query).status);
  without_query.mutable_condition()->set_after(1);
  EXPECT_EQ(appended(without_query), 2);
  without_items.mutable_condition()->set_after(1);
  expect_conflict(append(without_items).status);
}

TEST_F(UmadbAppend, judges_only_what_is_past_the_position_given) {
  appended(one("T"));
  appended(one("T"));
  expect_conflict(append(unless("T", one("New"), 0)).status);
  expect_conflict(append(unless("T", one("New"), 1)).status);
  EXPECT_EQ(appended(unless("T", one("New"), 2)), 3) << "at a match";
  EXPECT_EQ(appended(unless("T", one("New"), 3)), 4) << "at the head";
  EXPECT_EQ(appended(unless("T", one("New"), 1000)), 5) << "past the head";
}

TEST_F(UmadbAppend, matches_nothing_after_the_greatest_number) {
  appended(one("T"));
  for (const std::uint64_t after :
       {UINT64_MAX, UINT64_MAX - 1, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 1}) {
    EXPECT_TRUE(append(unless("T", one("New"), after)).status.ok()) << after;
  }
  EXPECT_EQ(head_position(), 5);
}

TEST_F(UmadbAppend, answers_position_0_when_there_are_no_events) {
  EXPECT_EQ(appended({}), 0);
  EXPECT_EQ(appended(unless("T", {})), 0);
  EXPECT_EQ(appended(tracked("s", 1)), 0);
  EXPECT_EQ(head_position(), 0);
  appended(one("T"));
  EXPECT_EQ(appended({}), 0);
  EXPECT_EQ(appended(unless("T", {}, 1)), 0);
  EXPECT_EQ(appended(tracked("s", 2)), 0);
  expect_conflict(append(unless("T", {})).status);
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbAppend, answers_a_repeat_as_it_answered_the_append) {
  appended(one("Other", {}, {}, uuid(9)));
  EXPECT_EQ(appended(numbered({1, 2})), 3);
  EXPECT_EQ(appended(numbered({1, 2})), 3);
  appended(one("T", {}, {}, uuid(3)));
  EXPECT_EQ(appended(numbered({1, 2})), 3) << "though another matches since";
  EXPECT_EQ(appended(numbered({1})), 2) << "the first that match";
  EXPECT_EQ(head_position(), 4);
}

TEST_F(UmadbAppend, looks_for_a_repeat_past_the_position_given) {
  appended(one("T", {}, {}, uuid(1)));
  const auto later = unless("T", one("T", {}, {}, uuid(2)), 1);
  EXPECT_EQ(appended(later), 2);
  EXPECT_EQ(appended(later), 2);
  expect_conflict(append(numbered({2})).status);
  EXPECT_EQ(head_position(), 2);
}

TEST_F(UmadbAppend, answers_a_repeat_of_many_events) {
  theirs::AppendRequest request;
  char id[37] = {};
  for (int i = 0; i < 3000; ++i) {
    std::snprintf(id, sizeof id, "0189aaaa-bbbb-7ccc-8ddd-%012d", i);
    add_event(request, "T", {}, {}, id);
  }
  request = unless("T", request);
  EXPECT_EQ(appended(request), 3000);
  EXPECT_EQ(appended(request), 3000);
  request.mutable_events(2999)->set_uuid(uuid(1));
  expect_conflict(append(request).status);
  EXPECT_EQ(head_position(), 3000);
}

TEST_F(UmadbAppend, takes_nothing_else_for_a_repeat) {
  appended(numbered({1, 2}));
  expect_conflict(append(numbered({2, 1})).status);
  expect_conflict(append(numbered({2})).status);
  expect_conflict(append(numbered({1, 3})).status);
  expect_conflict(append(numbered({1, 2, 3})).status);
  auto one_without = numbered({1, 2});
  one_without.mutable_events(1)->clear_uuid();
  expect_conflict(append(one_without).status);
  EXPECT_EQ(head_position(), 2);
  auto unconditional = numbered({1, 2});
  unconditional.clear_condition();
  EXPECT_EQ(appended(unconditional), 4) << "without a condition it is another append";
}

TEST_F(UmadbAppend, does_not_know_a_repeat_whose_events_do_not_match_its_condition) {
  appended(one("T"));
  const auto other = unless("T", one("Other", {}, {}, uuid(1)), 1);
  EXPECT_EQ(appended(other), 2);
  EXPECT_EQ(appended(other), 3) << "nothing matches, so that it is appended again";
  expect_conflict(append(numbered({1}, "Other")).status);
}

TEST_F(UmadbAppend, records_tracking_with_its_events) {
  auto request = one("T");
  add_event(request, "T");
  EXPECT_EQ(appended(tracked("source", 7, request)), 2);
  EXPECT_EQ(tracking("source").response.position(), 7);
  const auto read = events();
  ASSERT_EQ(read.size(), 2);
  EXPECT_EQ(read[1].tracking_info().source(), "source");
  EXPECT_EQ(read[1].tracking_info().position(), 7);
}

TEST_F(UmadbAppend, records_tracking_without_events_and_apart_for_each_source) {
  EXPECT_FALSE(tracking("a").response.has_position());
  EXPECT_EQ(appended(tracked("a", 0)), 0);
  EXPECT_TRUE(tracking("a").response.has_position());
  EXPECT_EQ(tracking("a").response.position(), 0);
  appended(tracked("a", 5));
  appended(tracked("b", 3));
  EXPECT_EQ(tracking("a").response.position(), 5);
  EXPECT_EQ(tracking("b").response.position(), 3);
  EXPECT_FALSE(tracking("A").response.has_position());
}

TEST_F(UmadbAppend, refuses_tracking_that_does_not_increase) {
  appended(tracked("s", 5));
  for (const std::uint64_t position : {0, 4, 5}) {
    expect_conflict(append(tracked("s", position, one("T"))).status);
    expect_conflict(append(tracked("s", position)).status);
  }
  EXPECT_EQ(tracking("s").response.position(), 5);
  EXPECT_EQ(head_position(), 0);
  EXPECT_EQ(appended(tracked("s", 6, one("T"))), 1);
}

TEST_F(UmadbAppend, refuses_a_tracking_source_that_is_empty_or_too_long) {
  const std::string longest(255, 's');
  expect_invalid(append(tracked("", 1, one("T"))).status);
  expect_invalid(append(tracked(longest + 's', 1, one("T"))).status);
  EXPECT_EQ(head_position(), 0);
  EXPECT_EQ(appended(tracked(longest, 1, one("T"))), 1);
  EXPECT_EQ(tracking(longest).response.position(), 1);
}

TEST_F(UmadbAppend, knows_of_no_tracking_of_a_source_that_can_not_be_recorded) {
  for (const auto& source : {std::string(), std::string(256, 's'), std::string(100'000, 's')}) {
    const auto answer = tracking(source);
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    EXPECT_FALSE(answer.response.has_position());
  }
}

TEST_F(UmadbAppend, keeps_tracking_positions_up_to_the_greatest_number) {
  for (const std::uint64_t position : {std::uint64_t{1} << 63, UINT64_MAX}) {
    appended(tracked("s", position, one("T")));
    EXPECT_EQ(tracking("s").response.position(), position);
    EXPECT_EQ(events().back().tracking_info().position(), position);
  }
  expect_conflict(append(tracked("s", UINT64_MAX)).status);
}

TEST_F(UmadbAppend, checks_uuids_then_the_condition_then_the_rest_then_tracking) {
  appended(tracked("s", 5, one("T")));
  const auto wrong_tag = one("T", {std::string(name_bytes_max + 1, 't')});
  auto all_wrong = tracked("s", 5, unless("T", wrong_tag));
  all_wrong.mutable_events(0)->set_uuid("none");
  expect_corruption(append(all_wrong).status);
  all_wrong.mutable_events(0)->set_uuid("");
  const auto conflict = append(all_wrong).status;
  expect_conflict(conflict);
  EXPECT_THAT(conflict.error_message(), HasSubstr("event 1 matches"));
  all_wrong.mutable_condition()->set_after(1);
  const auto invalid = append(all_wrong).status;
  expect_invalid(invalid);
  EXPECT_THAT(invalid.error_message(), HasSubstr("events[0].tags[0]"));
  all_wrong.mutable_events(0)->clear_tags();
  const auto not_increasing = append(all_wrong).status;
  expect_conflict(not_increasing);
  EXPECT_THAT(not_increasing.error_message(), HasSubstr("tracking"));
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbAppend, answers_a_repeat_with_its_tracking) {
  const auto request = tracked("s", 5, numbered({1, 2}));
  EXPECT_EQ(appended(request), 2);
  EXPECT_EQ(appended(request), 2);
  EXPECT_EQ(tracking("s").response.position(), 5);
}

TEST_F(UmadbAppend, takes_types_and_tags_up_to_their_limit) {
  const std::string longest(name_bytes_max, 'x');
  appended(one(longest, {longest}));
  const auto read = events();
  ASSERT_EQ(read.size(), 1);
  EXPECT_EQ(read[0].event().event_type(), longest);
  EXPECT_EQ(read[0].event().tags(0), longest);
  const auto type = append(one(longest + 'x')).status;
  expect_invalid(type);
  EXPECT_THAT(type.error_message(), HasSubstr("events[0].type"));
  const auto tag = append(one("T", {"short", longest + 'x'})).status;
  expect_invalid(tag);
  EXPECT_THAT(tag.error_message(), HasSubstr("events[0].tags[1]"));
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbAppend, takes_as_many_tags_as_the_limit) {
  EXPECT_EQ(appended(one("T", std::vector<std::string>(entries_max, "t"))), 1);
  const auto read = events();
  ASSERT_EQ(read.size(), 1);
  EXPECT_EQ(read[0].event().tags_size(), entries_max);
  expect_invalid(append(one("T", std::vector<std::string>(entries_max + 1, "t"))).status);
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbAppend, takes_metadata_up_to_their_limits) {
  const std::string longest(name_bytes_max, 'x');
  EXPECT_EQ(appended(with_metadata({entry(longest, longest)})), 1);
  expect_invalid(append(with_metadata({entry(longest + 'x', "v")})).status);
  expect_invalid(append(with_metadata({entry("k", longest + 'x')})).status);
  std::vector<theirs::MetadataEntry> most;
  while (most.size() < entries_max) most.push_back(entry(std::to_string(most.size()), "v"));
  EXPECT_EQ(appended(with_metadata(most)), 2);
  const auto read = events();
  ASSERT_EQ(read.size(), 2);
  EXPECT_EQ(read[0].event().metadata(0).value(), longest);
  EXPECT_EQ(read[1].event().metadata_size(), entries_max);
  most.push_back(entry("one more", "v"));
  expect_invalid(append(with_metadata(most)).status);
  EXPECT_EQ(head_position(), 2);
}

TEST_F(UmadbAppend, refuses_duplicate_metadata_keys) {
  expect_invalid(append(with_metadata({entry("k", "1"), entry("l", "1"), entry("k", "2")})).status);
  expect_invalid(append(with_metadata({entry("", "1"), entry("", "1")})).status);
  EXPECT_EQ(head_position(), 0);
}

TEST_F(UmadbAppend, refuses_longer_types_and_tags_in_its_condition_too) {
  const std::string longest(name_bytes_max, 'x');
  EXPECT_EQ(appended(unless(longest, one("T"))), 1);
  expect_invalid(append(unless(longest + 'x', one("T"))).status);
  auto tagged = one("T");
  add_item(*tagged.mutable_condition()->mutable_fail_if_events_match(), {}, {longest + 'x'});
  expect_invalid(append(tagged).status);
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbAppend, takes_a_message_of_4_mebibytes_and_none_past_that) {
  EXPECT_EQ(appended(of_bytes(message_bytes)), 1);
  for (const auto bytes : {message_bytes + 1, std::size_t{20} << 20}) {
    const auto status = append(of_bytes(bytes)).status;
    EXPECT_EQ(status.error_code(), grpc::OUT_OF_RANGE) << bytes;
    EXPECT_EQ(status.error_details(), "");
  }
  const auto status = append(of_bytes((20 << 20) + 1)).status;
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_details(), "");
  EXPECT_EQ(head_position(), 1);
}

TEST_F(UmadbAppend, head_is_none_in_a_log_without_events) {
  const auto empty = head();
  EXPECT_TRUE(empty.status.ok());
  EXPECT_FALSE(empty.response.has_position());
  appended(one("T"));
  const auto first = head();
  EXPECT_TRUE(first.response.has_position());
  EXPECT_EQ(first.response.position(), 1);
}

}  // namespace
}  // namespace weir::server
