#include <gmock/gmock.h>

#include <random>

#include <weir/store/conformance/conformance.hpp>

namespace weir::conformance {

using ::testing::ElementsAre;
using ::testing::SizeIs;

namespace {

Event with_data(std::string type, std::string data) {
  return {.type = std::move(type), .data = std::move(data)};
}

Timestamp at(int second) {
  return Timestamp(std::chrono::seconds(1'700'000'000 + second));
}

}  // namespace

TEST_P(Conformance, reads_from_and_until_a_position_in_both_directions_with_a_limit) {
  for (int i = 0; i < 6; ++i) append({simple("A")});
  EXPECT_THAT(positions({.after = Position(2)}), ElementsAre(3, 4, 5, 6));
  EXPECT_THAT(positions({.after = Position(2), .until = Position(4)}), ElementsAre(3, 4));
  EXPECT_THAT(positions({.limit = 2}), ElementsAre(1, 2));
  EXPECT_THAT(positions({.limit = 0}), ElementsAre());
  EXPECT_THAT(positions({.direction = Direction::backwards}), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(positions({.after = Position(2),
                         .until = Position(5),
                         .direction = Direction::backwards,
                         .limit = 2}),
              ElementsAre(5, 4));
  EXPECT_THAT(positions({.after = Position(6)}), ElementsAre());
  EXPECT_THAT(positions({.after = Position(100)}), ElementsAre());
  EXPECT_THAT(positions({.until = Position(100)}), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_P(Conformance, a_read_reports_the_head_that_was_current_when_it_began) {
  append({simple("A", {"x:1"}), simple("B"), simple("C")});
  const auto known = log_->read({.query = Query{}.tagged("x:1")}).collect();
  ASSERT_TRUE(known);
  EXPECT_EQ(known->head.value, 3u) << "of the log, not of what matches";
  EXPECT_EQ(known->nothing_new().after, Position(3));
  const auto limited = log_->read({.limit = 1}).collect();
  EXPECT_EQ(limited->head.value, 3u);
}

TEST_P(Conformance, a_read_is_capped_at_the_head_it_began_with) {
  for (int i = 0; i < 10; ++i) append({simple("A")});
  auto stream = log_->read({.batch_events_max = 2});
  const auto first = stream.next();
  ASSERT_TRUE(first && *first);
  append({simple("A")});
  std::size_t count = (*first)->batch.size();
  while (true) {
    const auto step = stream.next();
    ASSERT_TRUE(step);
    if (!*step) break;
    EXPECT_EQ((*step)->head.value, 10u);
    count += (*step)->batch.size();
  }
  EXPECT_EQ(count, 10u);
}

TEST_P(Conformance, an_item_means_any_of_the_types_and_all_of_the_tags) {
  append({simple("A", {"x", "y"}), simple("B", {"x"}), simple("C", {"y"}), simple("A", {})});
  EXPECT_THAT(positions({.query = Query{}.of_type("A")}), ElementsAre(1, 4));
  EXPECT_THAT(positions({.query = Query{}.of_type("A", "C")}), ElementsAre(1, 3, 4));
  EXPECT_THAT(positions({.query = Query{}.tagged("x")}), ElementsAre(1, 2));
  EXPECT_THAT(positions({.query = Query{}.tagged("x", "y")}), ElementsAre(1));
  EXPECT_THAT(positions({.query = Query{}.of_type("A", "B").tagged("x")}), ElementsAre(1, 2));
  EXPECT_THAT(positions({.query = Query{}.of_type("C").or_else().of_type("B").tagged("x")}),
              ElementsAre(2, 3));
  EXPECT_THAT(positions({.query = Query{}.tagged("z")}), ElementsAre());
  EXPECT_THAT(positions({.query = Query{.items = {{}, {.tags = {"z"}}}}}), ElementsAre(1, 2, 3, 4))
      << "an item with nothing in it matches everything";
}

TEST_P(Conformance, an_event_that_matches_several_items_comes_once) {
  append({simple("A", {"x"})});
  EXPECT_THAT(positions({.query = Query{}.of_type("A").or_else().tagged("x")}), ElementsAre(1));
}

TEST_P(Conformance, tags_and_types_are_exact_and_case_sensitive) {
  append({simple("Book", {"a:1"}), simple("book", {"A:1"}), simple("Boo", {"a:1 "}),
          simple("Book%", {"a:%"})});
  EXPECT_THAT(positions({.query = Query{}.of_type("Book")}), ElementsAre(1));
  EXPECT_THAT(positions({.query = Query{}.tagged("a:1")}), ElementsAre(1));
  EXPECT_THAT(positions({.query = Query{}.tagged("a:%")}), ElementsAre(4));
}

TEST_P(Conformance, a_predicate_means_a_top_level_json_string) {
  append({with_data("A", R"({"k":"v"})"), with_data("A", R"({"k":1})"),
          with_data("A", R"({"o":{"k":"v"}})"), with_data("A", R"(["k","v"])"),
          with_data("A", R"({"k":"V"})"), with_data("A", R"({"k":"\u0076"})"),
          with_data("A", R"({"k":"v'\"x"})"),
          Event{.type = "A", .data = R"({"k":"v"})", .content_type = "text/plain"}});
  EXPECT_THAT(positions({.query = Query{}.where("k", "v")}), ElementsAre(1, 6));
  EXPECT_THAT(positions({.query = Query{}.where("k", "v'\"x")}), ElementsAre(7));
  EXPECT_THAT(positions({.query = Query{}.where("k", "v").where("j", "w")}), ElementsAre());
  EXPECT_THAT(
      positions(
          {.query = Query{.items = {{.where = {{"k", "v"}, {"k", "V"}}, .where_any = true}}}}),
      ElementsAre(1, 5, 6));
}

TEST_P(Conformance, predicates_on_indexed_keys_mean_the_same) {
  const auto made = catalog_->create("indexed", {.indexed_keys = {"k"}});
  ASSERT_TRUE(made) << to_string(made.error());
  log_ = *catalog_->open("indexed");
  append({with_data("A", R"({"k":"v"})"), with_data("A", R"({"k":"w","j":"x"})"),
          with_data("A", R"({"k":"u","k":"v"})"), with_data("B", R"({"k":"v","j":"x"})"),
          with_data("A", R"({"j":"x"})")});
  EXPECT_THAT(positions({.query = Query{}.where("k", "v")}), ElementsAre(1, 3, 4));
  EXPECT_THAT(positions({.query = Query{}.where("k", "u")}), ElementsAre());
  EXPECT_THAT(positions({.query = Query{}.where("k", "v").where("j", "x")}), ElementsAre(4));
  EXPECT_THAT(
      positions(
          {.query = Query{.items = {{.where = {{"k", "w"}, {"j", "x"}}, .where_any = true}}}}),
      ElementsAre(2, 4, 5));
  EXPECT_FALSE(append_if(simple("Z"), Query{}.where("k", "v"), 3));
  EXPECT_TRUE(append_if(simple("Z"), Query{}.where("k", "v"), 4));
}

TEST_P(Conformance, the_time_range_includes_both_ends) {
  for (int i = 1; i <= 4; ++i) {
    auto event = simple("A");
    event.occurred_at = at(i);
    append({event});
  }
  EXPECT_THAT(positions({.occurred = {.from = at(2)}}), ElementsAre(2, 3, 4));
  EXPECT_THAT(positions({.occurred = {.from = at(2), .until = at(3)}}), ElementsAre(2, 3));
  EXPECT_THAT(positions({.occurred = {.until = at(1)}}), ElementsAre(1));
  EXPECT_FALSE(log_->read_step({.occurred = {.from = at(3), .until = at(2)}}));
}

TEST_P(Conformance, batches_are_bounded_in_events_and_bytes) {
  append(std::vector<Event>(50, with_data("A", '"' + std::string(1000, 'x') + '"')));
  const auto few = log_->read_step(ReadRequest{.batch_events_max = 7});
  ASSERT_TRUE(few);
  EXPECT_EQ(few->batch.size(), 7u);
  EXPECT_FALSE(few->end);
  EXPECT_EQ(few->cursor.value, 7u);
  EXPECT_FALSE(log_->read_step({.batch_events_max = 0}));
  EXPECT_FALSE(log_->read_step({.batch_events_max = 10'001}));
  EXPECT_FALSE(log_->subscribe({.batch_events_max = 0}));
  for (const std::size_t bytes : {0, 1023, (8 << 20) + 1}) {
    EXPECT_FALSE(log_->read_step({.batch_bytes_max = bytes})) << bytes;
    EXPECT_FALSE(log_->subscribe({.batch_bytes_max = bytes})) << bytes;
  }
}

TEST_P(Conformance, steps_add_up_to_the_whole_in_both_directions) {
  std::mt19937 random(7);
  std::vector<Event> all;
  for (int i = 0; i < 500; ++i) {
    all.push_back(
        simple("T" + std::to_string(random() % 3), {"x:" + std::to_string(random() % 5)}));
  }
  append(all);
  const auto query = Query{}.of_type("T1").tagged("x:2").or_else().of_type("T2");
  auto forwards = positions({.query = query, .batch_events_max = 3});
  auto backwards =
      positions({.query = query, .direction = Direction::backwards, .batch_events_max = 3});
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(forwards, backwards);
  std::vector<std::uint64_t> wanted;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].type == "T2" || (all[i].type == "T1" && all[i].tags[0] == "x:2")) {
      wanted.push_back(i + 1);
    }
  }
  EXPECT_EQ(forwards, wanted);
}

TEST_P(Conformance, a_query_past_a_limit_is_refused) {
  const auto many = log_->read_step({.query = Query{.items = std::vector<QueryItem>(257)}});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().details.at("field"), "query.items");
  const auto long_tag = log_->read_step({.query = Query{}.tagged(std::string(1025, 'x'))});
  ASSERT_FALSE(long_tag);
  EXPECT_EQ(long_tag.error().details.at("field"), "query.items[0].tags[0]");
  const auto condition = append_if(simple("A"), Query{.items = std::vector<QueryItem>(257)}, 0);
  ASSERT_FALSE(condition);
  EXPECT_EQ(condition.error().details.at("field"), "condition.fail_if_events_match.items");
}

TEST_P(Conformance, snapshots_never_go_backwards) {
  const SnapshotKey key{"books", hash_of(Query{}.tagged("x"))};
  EXPECT_FALSE(log_->load_snapshot(key)->has_value());
  std::string data("state\0with nul", 14);
  EXPECT_TRUE(*log_->save_snapshot({.key = key, .position = Position(5), .data = data}));
  EXPECT_FALSE(*log_->save_snapshot({.key = key, .position = Position(4), .data = "old"}));
  auto loaded = *log_->load_snapshot(key);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->position.value, 5u);
  EXPECT_EQ(loaded->data, data);
  EXPECT_TRUE(*log_->save_snapshot({.key = key, .position = Position(5), .data = "same place"}));
  EXPECT_EQ((*log_->load_snapshot(key))->data, "same place");
  EXPECT_FALSE(log_->load_snapshot({"books", "other"})->has_value());
  EXPECT_TRUE(log_->delete_snapshot(key));
  EXPECT_TRUE(log_->delete_snapshot(key)) << "deleting what is not there is fine";
  EXPECT_FALSE(log_->load_snapshot(key)->has_value());
  EXPECT_FALSE(log_->save_snapshot({.key = {"", "q"}, .position = Position(1)}));
}

TEST_P(Conformance, logs_are_apart) {
  ASSERT_TRUE(catalog_->create("orders", {}));
  EXPECT_TRUE(catalog_->create("orders", {})) << "again with the same options is fine";
  const auto other = catalog_->create("orders", {.indexed_keys = {"k"}});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::already_exists);
  const auto orders = *catalog_->open("orders");
  append({simple("A"), simple("A")});
  ASSERT_TRUE(orders->append({.events = {simple("B")}}));
  EXPECT_EQ(orders->head()->value, 1u);
  EXPECT_EQ(log_->head()->value, 2u);
  const auto listed = catalog_->list();
  ASSERT_TRUE(listed);
  std::vector<std::string> names;
  for (const auto& info : *listed) names.push_back(info.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("default", "orders"));
}

TEST_P(Conformance, a_log_that_is_not_there_is_not_found_and_a_bad_name_refused) {
  const auto missing = catalog_->open("missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_EQ(missing.error().reason, Reason::log_not_found);
  for (const auto* name : {"", "Orders", "-x", "a/b", "../x", "a b"}) {
    const auto made = catalog_->create(name, {});
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, Code::invalid_argument) << name;
  }
}

}  // namespace weir::conformance
