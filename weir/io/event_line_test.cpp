#include <weir/io/event_line.hpp>

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/base/json.hpp>
#include <weir/io/base64.hpp>
#include <weir/io/json_cursor.hpp>

namespace weir::io {
namespace {

using ::testing::HasSubstr;

RecordedEvent recorded(std::string data, std::string content_type = {}) {
  return {.position = Position(7),
          .id = parse_uuid("0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11"),
          .type = "Lent",
          .tags = {"book:dune"},
          .data = std::move(data),
          .content_type = std::move(content_type),
          .metadata = {},
          .occurred_at = parse_timestamp("2011-10-11T13:45:40.276001+02:00").value(),
          .recorded_at = Timestamp(),
          .tracking = std::nullopt};
}

Batch batch_of(const RecordedEvent& event) {
  BatchBuilder builder;
  EventFields fields{.position = event.position,
                     .id = event.id ? &*event.id : nullptr,
                     .type = event.type,
                     .tags = {event.tags.begin(), event.tags.end()},
                     .data = event.data,
                     .content_type = event.content_type,
                     .occurred_at = event.occurred_at,
                     .recorded_at = event.recorded_at};
  for (const auto& [key, value] : event.metadata) fields.metadata.emplace_back(key, value);
  if (event.tracking) {
    fields.tracking_source = event.tracking->source;
    fields.tracking_position = event.tracking->position;
  }
  builder.add(fields);
  return std::move(builder).build();
}

std::string line_of(const RecordedEvent& event) {
  std::string line;
  append_event_line(line, *batch_of(event).begin());
  return line;
}

/// Writes, reads and writes again; gives the payload that came back.
std::string round_trip(const RecordedEvent& event) {
  const auto line = line_of(event);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one event must be one line";
  auto read = parse_event_line(std::string_view(line).substr(0, line.size() - 1));
  EXPECT_TRUE(read) << line << (read ? "" : read.error().message);
  if (!read) return {};
  auto again = event;
  auto& back = read->event;
  EXPECT_EQ(read->without_id, !event.id.has_value());
  again.id = back.id;
  again.type = back.type;
  again.tags = back.tags;
  again.data = back.data;
  again.content_type = back.content_type;
  again.metadata = back.metadata;
  again.occurred_at = back.occurred_at.value();
  again.tracking = read->tracking;
  EXPECT_EQ(again, event);
  EXPECT_EQ(line_of(again), line);
  return back.data;
}

std::string problem_of(std::string_view line) {
  const auto read = parse_event_line(line);
  EXPECT_FALSE(read) << line;
  return read ? "" : read.error().message;
}

TEST(EventLine, has_its_members_in_a_fixed_order) {
  auto event = recorded(R"({"reader":"ada"})");
  event.metadata = {{"z", "1"}, {"a", "2"}};
  event.tracking = Tracking{"kafka", 9};
  EXPECT_EQ(line_of(event),
            R"({"position":7,"id":"0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11","type":"Lent",)"
            R"("tags":["book:dune"],"data":{"reader":"ada"},"metadata":{"z":"1","a":"2"},)"
            R"("occurredAt":"2011-10-11T11:45:40.276001Z",)"
            R"("tracking":{"source":"kafka","position":9}})"
            "\n");
  round_trip(event);
}

TEST(EventLine, keeps_json_payloads_byte_for_byte) {
  const std::vector<std::string> payloads = {"{}",
                                             "[]",
                                             "null",
                                             "true",
                                             R"("a \" } ] , \\")",
                                             "-0.0",
                                             "1E5",
                                             "1e+05",
                                             "0.10",
                                             "1234567890123456789012345678901234567890",
                                             "-0.00000000000000000000000000000000000001",
                                             R"({"a":1,"a":2, "b" : [ 1 ,{"c":"}"}] })",
                                             R"({"\u00e9":"\ud83d\ude00","é":"\/"})",
                                             "{\"tab\":\t1}",
                                             "[[[[[[[[]]]]]]]]",
                                             "18446744073709551616"};
  for (const auto& payload : payloads) {
    EXPECT_EQ(round_trip(recorded(payload)), payload);
    EXPECT_THAT(line_of(recorded(payload)), HasSubstr("\"data\":" + payload + ",")) << payload;
  }
}

TEST(EventLine, keeps_json_that_a_line_cannot_hold_as_it_is) {
  for (const std::string payload : {"{\n}", "\r\n[1]\r\n", " 1", "{} ", "[\n1,\n2\n]"}) {
    EXPECT_EQ(round_trip(recorded(payload)), payload);
    EXPECT_THAT(line_of(recorded(payload)), HasSubstr("\"dataText\":"));
  }
}

TEST(EventLine, keeps_payloads_as_deep_as_the_store_allows) {
  const auto deep = std::string(json_depth_max, '[') + std::string(json_depth_max, ']');
  ASSERT_TRUE(check_json(deep));
  EXPECT_EQ(round_trip(recorded(deep)), deep);
}

TEST(EventLine, keeps_text_and_any_bytes) {
  EXPECT_EQ(round_trip(recorded("a\n\x01\"b", "text/plain")), "a\n\x01\"b");
  EXPECT_THAT(line_of(recorded("hi", "text/plain")), HasSubstr("\"dataText\":\"hi\""));
  EXPECT_THAT(line_of(recorded("\xFF", "text/plain")), HasSubstr("\"dataBase64\":\"/w==\""));
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(round_trip(recorded(bytes, "application/octet-stream")), bytes);
  EXPECT_EQ(round_trip(recorded("", "application/octet-stream")), "");
  EXPECT_EQ(round_trip(recorded("not json", "application/json")), "not json");
}

TEST(EventLine, keeps_an_event_without_id_and_odd_texts) {
  auto event = recorded("{}");
  event.id = std::nullopt;
  event.type = "a \"type\"\twith\nall";
  event.tags = {"", "é\x7F", "\\u0041", "same", "same"};
  event.metadata = {{"k\"", "v\n"}, {"", ""}};
  event.occurred_at = parse_timestamp("0001-01-01T00:00:00.000001Z").value();
  round_trip(event);
}

TEST(EventLine, keeps_whatever_random_json_and_bytes_there_are) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return random() % n; };
  constexpr std::string_view alphabet(R"( {}[],:"\0019eE.-tru)"
                                      "\n\t\0",
                                      23);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes;
    for (auto n = below(12); n > 0; --n) bytes += alphabet[below(alphabet.size())];
    const std::string types[] = {"", "text/plain", "x/y", "application/json"};
    const auto& type = types[below(4)];
    if (type.empty() && !check_json(bytes)) continue;
    EXPECT_EQ(round_trip(recorded(bytes, type)), bytes);
  }
}

TEST(EventLine, takes_lines_written_by_hand) {
  const auto read = parse_event_line("  { \"type\" : \"X\" , \"tags\" : [ ] }  ");
  ASSERT_TRUE(read);
  EXPECT_EQ(read.value().event, (Event{.type = "X", .data = "{}"}));
  EXPECT_FALSE(read.value().without_id);
  EXPECT_EQ(parse_event_line(R"({"type":"\u00e9\ud83d\ude00"})").value().event.type, "é😀");
  EXPECT_TRUE(parse_event_line(R"({"position":"9","recordedAt":"x","type":"X"})"));
}

TEST(EventLine, says_which_member_is_wrong) {
  EXPECT_EQ(problem_of("{}"), "type: is missing");
  EXPECT_THAT(problem_of(R"({"type":"X","colour":1})"), HasSubstr("colour: unknown member"));
  EXPECT_EQ(problem_of(R"({"type":"X","type":"Y"})"), "type: stands there twice");
  EXPECT_THAT(problem_of(R"({"type":7})"), HasSubstr("type: not valid JSON: a string expected"));
  EXPECT_THAT(problem_of(R"({"type":"X","data":{"a":}})"), HasSubstr("data:"));
  EXPECT_THAT(problem_of(R"({"type":"X","data":[1})"), HasSubstr("data:"));
  EXPECT_THAT(problem_of(R"({"type":"X","data":nul})"), HasSubstr("data:"));
  EXPECT_THAT(problem_of(R"({"type":"X","data":1,"dataText":"1"})"), HasSubstr("twice"));
  EXPECT_THAT(problem_of(R"({"type":"X","data":1,"contentType":"a/b"})"), HasSubstr("dataText"));
  EXPECT_THAT(problem_of(R"({"type":"X","dataBase64":"*"})"), HasSubstr("not base64"));
  EXPECT_THAT(problem_of(R"({"type":"X","id":"1"})"), HasSubstr("id: '1' is not a UUID"));
  EXPECT_THAT(problem_of(R"({"type":"X","occurredAt":"noon"})"), HasSubstr("occurredAt"));
  EXPECT_THAT(problem_of(R"({"type":"X","tracking":{"source":"s"}})"), HasSubstr("tracking"));
  EXPECT_THAT(problem_of(R"({"type":"X"} {)"), HasSubstr("goes on"));
  EXPECT_THAT(problem_of("{\"type\":\"\xFF\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(problem_of(R"({"type":"\ud83d"})"), HasSubstr("surrogate"));
  EXPECT_THAT(problem_of(R"({"type":"X","metadata":{"a":1}})"), HasSubstr("metadata"));
  EXPECT_THAT(problem_of(""), HasSubstr("'{' expected"));
  EXPECT_THAT(problem_of(R"({"type":"X")"), HasSubstr("'}' expected"));
}

TEST(Base64, has_one_spelling_for_any_bytes) {
  for (const std::string bytes : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    std::string text;
    append_base64(text, bytes);
    EXPECT_EQ(parse_base64(text), bytes);
  }
  EXPECT_EQ(parse_base64("Zh=="), std::nullopt) << "bits that are dropped must be zero";
  EXPECT_EQ(parse_base64("Zg="), std::nullopt);
  EXPECT_EQ(parse_base64("Z==="), std::nullopt);
  EXPECT_EQ(parse_base64("===="), std::nullopt);
}

TEST(JsonCursor, reads_whole_numbers_and_no_others) {
  EXPECT_EQ(JsonCursor("18446744073709551615").number().value(), UINT64_MAX);
  for (const auto* text : {"18446744073709551616", "-1", "1.0", "1e3", "01", "\"1\"", ""}) {
    EXPECT_FALSE(JsonCursor(text).number()) << text;
  }
}

}  // namespace
}  // namespace weir::io
