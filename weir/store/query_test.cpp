#include <weir/store/query.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include <weir/store/limits.hpp>

namespace weir {
namespace {

using testing::HasSubstr;

Query random_query(std::mt19937& random) {
  const auto text = [&](const char* prefix) { return prefix + std::to_string(random() % 3); };
  Query query;
  for (auto items = random() % 4; items > 0; --items) {
    QueryItem item;
    for (auto i = random() % 4; i > 0; --i) item.types.push_back(text("T"));
    for (auto i = random() % 4; i > 0; --i) item.tags.push_back(text("t\"\\"));
    for (auto i = random() % 3; i > 0; --i) item.where.push_back({text("k"), text("v")});
    item.where_any = random() % 2 == 0;
    query.items.push_back(std::move(item));
  }
  return query;
}

TEST(Query, normalized_means_the_same) {
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const auto query = random_query(random);
    const auto type = "T" + std::to_string(random() % 3);
    const std::string tag = "t\"\\" + std::to_string(random() % 3);
    const std::vector<std::string_view> tags = {tag, "other"};
    const auto json = "{\"k0\":\"v" + std::to_string(random() % 3) + "\",\"k1\":\"v1\"}";
    const Subject subject{type, tags, json};
    ASSERT_EQ(matches(query, subject), matches(normalized(query), subject)) << to_json(query);
  }
}

TEST(Query, with_its_parts_in_another_order_has_the_same_hash) {
  std::mt19937 random(6);
  for (int i = 0; i < 2'000; ++i) {
    const auto query = random_query(random);
    auto other = query;
    std::shuffle(other.items.begin(), other.items.end(), random);
    for (auto& item : other.items) {
      std::shuffle(item.types.begin(), item.types.end(), random);
      std::shuffle(item.tags.begin(), item.tags.end(), random);
      std::shuffle(item.where.begin(), item.where.end(), random);
      if (!item.tags.empty()) item.tags.push_back(item.tags.front());
    }
    ASSERT_EQ(hash_of(query), hash_of(other)) << to_json(query);
  }
  EXPECT_EQ(hash_of({}).size(), 32u);
  EXPECT_NE(hash_of(Query{}.tagged("a")), hash_of(Query{}.of_type("a")));
  EXPECT_NE(hash_of(Query{}.tagged("a", "b")), hash_of(Query{}.tagged("a").or_else().tagged("b")));
}

TEST(Query, comes_back_from_json_as_it_was) {
  std::mt19937 random(7);
  for (int i = 0; i < 2'000; ++i) {
    auto query = random_query(random);
    // Where nothing is to be chosen from, "any" and "all" are one.
    for (auto& item : query.items) item.where_any = item.where_any && !item.where.empty();
    const auto parsed = parse_query(to_json(query));
    ASSERT_TRUE(parsed) << to_string(parsed.error());
    ASSERT_EQ(*parsed, query) << to_json(query);
  }
}

TEST(Query, that_is_none_is_refused_with_the_field_at_fault) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "query: not valid JSON"},
      {"[]", "query: must be an object"},
      {R"({"item":[]})", "query.item: unknown field"},
      {R"({"items":{}})", "query.items: must be an array"},
      {R"({"items":[7]})", "query.items[0]"},
      {R"({"items":[{},{"tag":["a"]}]})", "query.items[1].tag: unknown field"},
      {R"({"items":[{"tags":"a"}]})", "query.items[0].tags"},
      {R"({"items":[{"tags":["a",7]}]})", "query.items[0].tags[1]"},
      {R"({"items":[{"where":[{"key":"a"}]}]})", "query.items[0].where[0]"},
      {R"({"items":[{"where":[{"key":"a","value":7}]}]})", "query.items[0].where[0]"},
      {R"({"items":[{"whereAny":1}]})", "query.items[0].whereAny"},
      {std::string(100'000, '['), "query: not valid JSON"},
  };
  for (const auto& [text, names] : cases) {
    const auto parsed = parse_query(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
    EXPECT_THAT(parsed.error().message, HasSubstr(names)) << text;
  }
}

TEST(Query, predicates_hold_for_exactly_the_strings_at_the_top) {
  const auto query = Query{}.where("k", "v");
  const std::vector<std::string_view> none;
  EXPECT_TRUE(matches(query, {"T", none, R"({"k":"v"})"}));
  EXPECT_TRUE(matches(query, {"T", none, R"({"\u006b":"\u0076"})"}));
  EXPECT_FALSE(matches(query, {"T", none, R"({"k":"v "})"}));
  EXPECT_FALSE(matches(query, {"T", none, R"({"K":"v"})"}));
  EXPECT_FALSE(matches(query, {"T", none, R"({"o":{"k":"v"}})"}));
  EXPECT_FALSE(matches(query, {"T", none, R"(["k","v"])"}));
  EXPECT_FALSE(matches(query, {"T", none, ""}));
}

TEST(Limits, name_the_item_the_list_and_the_limit) {
  Query query;
  query.items.resize(257, {.tags = {"a"}});
  const auto items = check(query, Limits(), "query");
  ASSERT_FALSE(items);
  EXPECT_THAT(items.error().message, HasSubstr("257"));
  EXPECT_THAT(items.error().message, HasSubstr("256"));
  const auto tag =
      check(Query{}.of_type("A").or_else().tagged("a", std::string(1025, 'x')), Limits(), "query");
  ASSERT_FALSE(tag);
  EXPECT_THAT(tag.error().message, HasSubstr("query.items[1].tags[1]: 1025 bytes, the limit is "
                                             "1024"));
}

}  // namespace
}  // namespace weir
