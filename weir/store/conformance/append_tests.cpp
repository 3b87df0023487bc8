#include <gmock/gmock.h>

#include <future>

#include <weir/store/conformance/conformance.hpp>

namespace weir::conformance {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_P(Conformance, an_empty_log_has_head_zero_and_no_events) {
  EXPECT_EQ(log_->head()->value, 0u);
  EXPECT_THAT(events(), SizeIs(0));
}

TEST_P(Conformance, positions_are_1_2_3_without_gaps) {
  EXPECT_EQ(append({simple("A")}).last.value, 1u);
  const auto three = append({simple("A"), simple("B"), simple("C")});
  EXPECT_EQ(three.first.value, 2u);
  EXPECT_EQ(three.last.value, 4u);
  EXPECT_THAT(positions({}), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(log_->head()->value, 4u);
}

TEST_P(Conformance, an_event_comes_back_as_it_was_given) {
  const auto id = parse_uuid("0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11");
  Event event{
      .id = id,
      .type = "Ünïcode \"type\"",
      .tags = {"b:2", "a:1", "quote\"d", "back\\slash", "tab\tnew\nline", "日本"},
      .data = R"({"n":12345678901234567890123456789012345678901,"f":1E5,"z":-0.0, "s":"\u00e9"})",
      .metadata = {{"correlation-id", "c\"1\""}, {"traceparent", ""}},
      .occurred_at = *parse_timestamp("2011-10-11T13:45:40.276001+02:00")};
  append({event});
  const auto read = events();
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].id, id);
  EXPECT_EQ(read[0].type, event.type);
  EXPECT_EQ(read[0].tags, event.tags);
  EXPECT_EQ(read[0].data, event.data);
  EXPECT_EQ(read[0].metadata, event.metadata);
  EXPECT_EQ(read[0].occurred_at, *event.occurred_at);
  EXPECT_EQ(read[0].content_type, "");
}

TEST_P(Conformance, bytes_that_are_not_json_come_back_byte_for_byte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  append({{.type = "A", .data = bytes, .content_type = "application/octet-stream"},
          {.type = "A", .data = "", .content_type = "text/plain"}});
  const auto read = events();
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].data, bytes);
  EXPECT_EQ(read[0].content_type, "application/octet-stream");
  EXPECT_EQ(read[1].data, "");
}

TEST_P(Conformance,
       an_event_without_an_id_gets_a_version_7_one_and_without_a_time_the_recorded_one) {
  append({simple("A"), simple("A")});
  const auto read = events();
  ASSERT_THAT(read, SizeIs(2));
  ASSERT_TRUE(read[0].id && read[1].id);
  EXPECT_NE(*read[0].id, *read[1].id);
  EXPECT_EQ(read[0].id->bytes[6] >> 4, 7);
  EXPECT_EQ(read[0].occurred_at, read[0].recorded_at);
}

TEST_P(Conformance, recorded_at_never_goes_backwards) {
  for (int i = 0; i < 20; ++i) append({simple("A")});
  const auto read = events();
  for (std::size_t i = 1; i < read.size(); ++i) {
    EXPECT_LE(read[i - 1].recorded_at, read[i].recorded_at);
  }
}

TEST_P(Conformance, an_append_with_one_bad_event_appends_none) {
  auto bad = simple("B");
  bad.data = "{not json";
  const auto appended = log_->append({.events = {simple("A"), bad}});
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Code::invalid_argument);
  EXPECT_THAT(appended.error().message, HasSubstr("events[1].data"));
  EXPECT_EQ(log_->head()->value, 0u);
}

TEST_P(Conformance, fails_when_an_event_after_the_position_matches) {
  append({simple("A", {"x:1"}), simple("B", {"x:1"}), simple("B", {"x:1"})});
  const auto appended = append_if(simple("C"), Query{}.tagged("x:1"), 1);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Code::aborted);
  EXPECT_EQ(appended.error().reason, Reason::condition_failed);
  EXPECT_EQ(appended.error().details.at("position"), "2") << "the first conflicting position";
  EXPECT_EQ(log_->head()->value, 3u);
}

TEST_P(Conformance, succeeds_when_no_event_after_the_position_matches) {
  append({simple("A", {"x:1"}), simple("B", {"x:2"})});
  EXPECT_TRUE(append_if(simple("C"), Query{}.tagged("x:1"), 1));
  EXPECT_TRUE(append_if(simple("C"), Query{}.tagged("x:2"), 2));
  EXPECT_TRUE(append_if(simple("C"), Query{}.tagged("x:3"), std::nullopt));
}

TEST_P(Conformance, after_may_lie_past_the_last_match_and_past_the_head) {
  append({simple("A", {"x:1"}), simple("B")});
  EXPECT_TRUE(append_if(simple("C", {"x:1"}), Query{}.tagged("x:1"), 2));
  EXPECT_TRUE(append_if(simple("C", {"x:1"}), Query{}.tagged("x:1"), 1'000'000));
}

TEST_P(Conformance, a_condition_without_after_looks_from_the_start) {
  append({simple("A", {"x:1"})});
  const auto appended = append_if(simple("B"), Query{}.tagged("x:1"), std::nullopt);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().details.at("position"), "1");
}

TEST_P(Conformance, a_condition_with_no_query_matches_every_event) {
  EXPECT_TRUE(append_if(simple("A"), {}, std::nullopt)) << "nothing there yet";
  EXPECT_FALSE(append_if(simple("A"), {}, std::nullopt));
  EXPECT_TRUE(append_if(simple("A"), {}, 1));
  EXPECT_FALSE(append_if(simple("A"), {}, 1));
}

TEST_P(Conformance, a_condition_joins_types_tags_and_predicates_by_and_and_items_by_or) {
  auto event = simple("A", {"x:1", "y:1"});
  event.data = R"({"BookID":"b1","n":1})";
  append({event});
  EXPECT_TRUE(append_if(simple("Z"), Query{}.of_type("B").tagged("x:1"), 0));
  EXPECT_TRUE(append_if(simple("Z"), Query{}.of_type("A").tagged("x:2"), 0));
  EXPECT_TRUE(append_if(simple("Z"), Query{}.of_type("A").tagged("x:1", "y:2"), 0));
  EXPECT_TRUE(append_if(simple("Z"), Query{}.of_type("A").where("BookID", "b2"), 0));
  EXPECT_FALSE(append_if(simple("Z"), Query{}.of_type("A").where("BookID", "b1"), 0));
  EXPECT_FALSE(append_if(simple("Z"), Query{}.of_type("B", "A").tagged("x:1", "y:1"), 0));
  EXPECT_FALSE(append_if(simple("Z"), Query{}.tagged("x:2").or_else().tagged("y:1"), 0));
}

TEST_P(Conformance, a_repeated_idempotency_key_gives_the_first_answer) {
  const AppendRequest request{.events = {simple("A", {"x:1"}), simple("B")},
                              .condition = Condition{.fail_if_events_match = Query{}.tagged("x:1")},
                              .idempotency_key = "order-1"};
  const auto first = log_->append(request);
  ASSERT_TRUE(first) << to_string(first.error());
  EXPECT_FALSE(first->replayed);
  append({simple("C")});
  const auto again = log_->append(request);
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->first, first->first);
  EXPECT_EQ(again->last, first->last);
  EXPECT_EQ(again->recorded_at, first->recorded_at);
  EXPECT_EQ(log_->head()->value, 3u);
}

TEST_P(Conformance, an_idempotency_key_with_other_events_is_refused) {
  ASSERT_TRUE(log_->append({.events = {simple("A")}, .idempotency_key = "k"}));
  const auto other = log_->append({.events = {simple("B")}, .idempotency_key = "k"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::already_exists);
  EXPECT_EQ(other.error().reason, Reason::idempotency_key_reused);
  EXPECT_EQ(log_->head()->value, 1u);
}

TEST_P(Conformance, a_key_of_an_append_that_failed_can_be_used_again) {
  append({simple("A")});
  const AppendRequest failing{.events = {simple("B")},
                              .condition = Condition{.after = Position(0)},
                              .idempotency_key = "k"};
  ASSERT_FALSE(log_->append(failing));
  EXPECT_TRUE(log_->append({.events = {simple("B")}, .idempotency_key = "k"}));
}

TEST_P(Conformance, tracking_is_recorded_with_the_events_and_must_increase) {
  EXPECT_FALSE(log_->tracked("up")->has_value());
  ASSERT_TRUE(log_->append({.events = {simple("A")}, .tracking = Tracking{"up", 5}}));
  EXPECT_EQ(*log_->tracked("up"), 5u);
  EXPECT_EQ(events()[0].tracking, (Tracking{"up", 5}));
  for (const std::uint64_t position : {4u, 5u}) {
    const auto again =
        log_->append({.events = {simple("A")}, .tracking = Tracking{"up", position}});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::failed_precondition);
    EXPECT_EQ(again.error().reason, Reason::tracking_not_increasing);
  }
  EXPECT_EQ(log_->head()->value, 1u);
  ASSERT_TRUE(log_->append({.events = {simple("A")}, .tracking = Tracking{"up", UINT64_MAX}}));
  EXPECT_EQ(*log_->tracked("up"), UINT64_MAX);
  EXPECT_TRUE(log_->append({.events = {simple("A")}, .tracking = Tracking{"other", 1}}));
}

TEST_P(Conformance, each_limit_is_named_with_the_field) {
  const auto refused = [&](Event event, const std::string& field, const std::string& limit) {
    const auto appended = log_->append({.events = {simple("A"), std::move(event)}});
    ASSERT_FALSE(appended) << field;
    EXPECT_EQ(appended.error().code, Code::invalid_argument);
    EXPECT_EQ(appended.error().details.at("field"), field);
    EXPECT_THAT(appended.error().message, HasSubstr(limit));
  };
  refused(simple(""), "events[1].type", "empty");
  refused(simple(std::string(1025, 'x')), "events[1].type", "1024");
  refused(simple("A", {""}), "events[1].tags[0]", "empty");
  refused(simple("A", {"ok", std::string(1025, 'x')}), "events[1].tags[1]", "1024");
  refused(simple("A", std::vector<std::string>(257, "t")), "events[1].tags", "256");
  refused({.type = "A", .data = std::string((1 << 20) + 1, ' ')}, "events[1].data", "1048576");
  refused({.type = "A", .data = ""}, "events[1].data", "JSON");
  refused({.type = "A", .data = "{}", .metadata = {{"k", std::string(8193, 'v')}}},
          "events[1].metadata[k]", "8192");
  EXPECT_EQ(log_->head()->value, 0u);
}

TEST_P(Conformance, an_append_at_its_limits_is_accepted) {
  std::vector<std::string> tags;
  for (int i = 0; i < 256; ++i) tags.push_back("tag:" + std::to_string(i));
  append({{.type = std::string(1024, 't'),
           .tags = tags,
           .data = '"' + std::string((1 << 20) - 2, 'd') + '"'},
          simple("A", {std::string(1024, 'x')})});
  const auto read = events({.query = Query{}.tagged("tag:255")});
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(read[0].data.size(), std::size_t{1} << 20);
  append(std::vector<Event>(10'000, simple("A")));
  EXPECT_EQ(log_->head()->value, 10'002u);
}

TEST_P(Conformance, too_many_or_too_large_events_in_one_append_are_refused) {
  const auto none = log_->append({});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().details.at("field"), "events");
  const auto many = log_->append({.events = std::vector<Event>(10'001, simple("A"))});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().details.at("limit"), "10000");
  const Event large{.type = "A", .data = '"' + std::string(1'000'000, 'd') + '"'};
  const auto heavy = log_->append({.events = std::vector<Event>(5, large)});
  ASSERT_FALSE(heavy);
  EXPECT_EQ(heavy.error().details.at("limit"), std::to_string(4 << 20));
  EXPECT_EQ(log_->head()->value, 0u);
}

TEST_P(Conformance, a_call_whose_deadline_passed_or_whose_caller_left_does_nothing) {
  const auto late =
      log_->append({.events = {simple("A")}, .call = {.deadline = system_clock().instant()}});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  std::stop_source stop;
  stop.request_stop();
  const auto gone = log_->append({.events = {simple("A")}, .call = {.stop = stop.get_token()}});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::cancelled);
  EXPECT_EQ(log_->head()->value, 0u);
  const CallOptions left{.stop = stop.get_token()};
  EXPECT_EQ(log_->head(left).error().reason, Reason::caller_cancelled);
  EXPECT_EQ(log_->read_step({.call = left}).error().reason, Reason::caller_cancelled);
}

TEST_P(Conformance, every_call_whose_deadline_passed_says_so) {
  const SnapshotKey key{"p", "h"};
  const auto now = system_clock().instant();
  for (const auto deadline : {now, now - std::chrono::seconds(1), Instant::min()}) {
    const CallOptions late{.deadline = deadline};
    const auto passed = [](const auto& result) {
      return !result && result.error().reason == Reason::deadline_passed;
    };
    EXPECT_TRUE(passed(log_->append({.events = {simple("A")}, .call = late})));
    EXPECT_TRUE(passed(log_->read_step({.call = late})));
    EXPECT_TRUE(passed(log_->read({.call = late}).collect()));
    EXPECT_TRUE(passed(log_->head(late)));
    EXPECT_TRUE(passed(log_->load_snapshot(key, late)));
    EXPECT_TRUE(passed(log_->save_snapshot({.key = key, .data = "d"}, late)));
    EXPECT_TRUE(passed(log_->delete_snapshot(key, late)));
    EXPECT_TRUE(passed(log_->tracked("s", late)));
    auto subscription = log_->subscribe({.call = late});
    EXPECT_TRUE(subscription ? passed((*subscription)->next()) : passed(subscription));
    std::promise<Result<ReadStep>> step;
    log_->read_step({.call = late}, [&](auto result) { step.set_value(std::move(result)); });
    EXPECT_TRUE(passed(step.get_future().get()));
  }
  EXPECT_EQ(log_->head()->value, 0u);
  EXPECT_FALSE(log_->load_snapshot(key)->has_value());
}

TEST_P(Conformance, a_deadline_may_be_as_far_off_as_can_be_said) {
  // One that is nearer comes first.
  const CallOptions soon{.deadline = system_clock().instant() + std::chrono::seconds(60)};
  const CallOptions never{.deadline = Instant::max()};
  append({simple("A")});
  ASSERT_TRUE(log_->read_step({.limit = 1, .call = soon}));
  const auto step = log_->read_step({.limit = 1, .call = never});
  ASSERT_TRUE(step) << to_string(step.error());
  EXPECT_EQ(step->batch.size(), 1u);
  EXPECT_TRUE(log_->append({.events = {simple("A")}, .call = never}));
  EXPECT_TRUE(log_->head(never));
  EXPECT_TRUE(log_->read({.call = never}).collect());
  EXPECT_TRUE(log_->load_snapshot({"p", "h"}, never));
  EXPECT_TRUE(log_->tracked("s", never));
  auto subscription = log_->subscribe({.call = never});
  ASSERT_TRUE(subscription);
  EXPECT_TRUE((*subscription)->next());
}

}  // namespace weir::conformance
