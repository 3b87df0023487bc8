#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/io/content_id.hpp>
#include <weir/io/csv_events.hpp>
#include <weir/io/line_events.hpp>
#include <weir/io/lines.hpp>

namespace weir::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Read {
  std::vector<Event> events;
  std::vector<std::uint64_t> lines;
  std::vector<std::string> problems;
};

Read read_all(EventSource& source) {
  Read read;
  const auto on_problem = [&](std::uint64_t line, const std::string& problem) {
    read.problems.push_back(std::to_string(line) + ": " + problem);
  };
  while (true) {
    auto next = source.next(on_problem);
    EXPECT_TRUE(next);
    if (!next || !next.value()) return read;
    read.events.push_back((*next)->read.event);
    read.lines.push_back((*next)->line);
  }
}

const CsvMapping permits{.type = "concept:name",
                         .tags = {{"case:concept:name", "case"}, {"who", "who"}},
                         .time = "time"};

Read read_csv(std::string text, CsvMapping mapping = permits) {
  auto source = open_csv_events(std::move(text), std::move(mapping));
  EXPECT_TRUE(source);
  return read_all(**source);
}

std::FILE* file_of(std::string_view text) {
  auto* file = std::tmpfile();
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
  std::rewind(file);
  return file;
}

TEST(CsvEvents, map_columns_to_type_tags_time_and_payload) {
  const auto read = read_csv(
      "case:concept:name,note,concept:name,who,time,\"a \"\"b\"\"\"\n"
      "case-1,\"x\ny\",Confirm,ada,2011-10-11 13:45:40.276000+02:00,\n");
  ASSERT_EQ(read.events.size(), 1U);
  EXPECT_EQ(read.events[0].type, "Confirm");
  EXPECT_THAT(read.events[0].tags, ElementsAre("case:case-1", "who:ada"));
  EXPECT_EQ(read.events[0].data, R"({"note":"x\ny","a \"b\"":""})");
  EXPECT_EQ(format_timestamp(read.events[0].occurred_at.value()), "2011-10-11T11:45:40.276Z");
}

TEST(CsvEvents, come_in_the_order_of_time_and_of_the_file_where_times_are_equal) {
  const auto read = read_csv(
      "concept:name,case:concept:name,who,time\n"
      "third,c,,2020-01-01T00:00:02Z\n"
      "first,c,,2020-01-01T00:00:01Z\n"
      "fourth,c,,2020-01-01T00:00:02Z\n"
      "second,c,,2020-01-01T01:00:01+01:00\n");
  std::vector<std::string> types;
  for (const auto& event : read.events) types.push_back(event.type);
  EXPECT_THAT(types, ElementsAre("first", "second", "third", "fourth"));
  EXPECT_THAT(read.lines, ElementsAre(3, 5, 2, 4));
}

TEST(CsvEvents, an_empty_cell_gives_no_tag) {
  const auto read = read_csv(
      "concept:name,case:concept:name,who,time\n"
      "X,c,,2020-01-01T00:00:02Z\n");
  EXPECT_THAT(read.events.at(0).tags, ElementsAre("case:c"));
}

TEST(CsvEvents, report_bad_rows_by_line_and_keep_the_others) {
  const auto read = read_csv(
      "concept:name,case:concept:name,who,time\n"
      "A,c,,2020-01-01T00:00:01Z\n"
      "B,c,,yesterday\n"
      "C,c,2020-01-01T00:00:01Z\n"
      ",c,,2020-01-01T00:00:01Z\n" +
      std::string(2000, 'x') +
      ",c,,2020-01-01T00:00:01Z\n"
      "D,c,,2020-01-01T00:00:01Z\n");
  EXPECT_THAT(read.lines, ElementsAre(2, 7));
  ASSERT_EQ(read.problems.size(), 4U);
  EXPECT_THAT(read.problems[0], HasSubstr("3: time: 'yesterday'"));
  EXPECT_THAT(read.problems[1], HasSubstr("4: row: has 3 columns, the header has 4"));
  EXPECT_THAT(read.problems[2], HasSubstr("5: row.type: must not be empty"));
  EXPECT_THAT(read.problems[3], HasSubstr("6: row.type: 2000 bytes"));
}

TEST(CsvEvents, can_be_read_again_from_the_start) {
  auto source = open_csv_events("t\nA\nB\n", {.type = "t"});
  ASSERT_TRUE(source);
  const auto first = read_all(**source);
  ASSERT_TRUE((*source)->rewind());
  EXPECT_EQ(read_all(**source).events, first.events);
  EXPECT_EQ(first.events.size(), 2U);
}

TEST(CsvEvents, name_the_column_that_the_header_lacks_or_has_twice) {
  EXPECT_THAT(open_csv_events("t,n\rA,1\rB,2\r", {.type = "t"}).error().message,
              HasSubstr("header: its line ends with a CR alone"));
  EXPECT_TRUE(open_csv_events("t,\"n\rm\"\r\nA,1\r\n", {.type = "t"}));
  EXPECT_THAT(open_csv_events("a,b\n", {.type = "c"}).error().message, HasSubstr("'c'"));
  EXPECT_THAT(open_csv_events("a,a\n", {.type = "a"}).error().message, HasSubstr("twice"));
  EXPECT_THAT(open_csv_events("", {.type = "a"}).error().message, HasSubstr("empty"));
}

TEST(CsvTag, is_divided_at_its_last_equals_sign) {
  EXPECT_EQ(parse_csv_tag("case:concept:name=case").value().column, "case:concept:name");
  EXPECT_EQ(parse_csv_tag("a=b=c").value().column, "a=b");
  EXPECT_EQ(parse_csv_tag("a=b=c").value().key, "c");
  for (const auto* text : {"a", "=b", "a=", ""}) EXPECT_FALSE(parse_csv_tag(text)) << text;
}

TEST(LineEvents, keep_the_order_of_the_file_and_report_bad_lines) {
  auto source =
      open_line_events(file_of("\xEF\xBB\xBF{\"type\":\"A\"}\r\n\n{\"type\":}\n"
                               "{\"type\":\"\"}\n{\"type\":\"B\"}"));
  ASSERT_TRUE(source);
  const auto read = read_all(**source);
  EXPECT_THAT(read.lines, ElementsAre(1, 5));
  ASSERT_EQ(read.problems.size(), 2U);
  EXPECT_THAT(read.problems[0], HasSubstr("3: type:"));
  EXPECT_THAT(read.problems[1], HasSubstr("4: event.type: must not be empty"));
  ASSERT_TRUE((*source)->rewind());
  EXPECT_EQ(read_all(**source).events, read.events);
}

TEST(LineReader, passes_over_lines_that_are_too_long) {
  auto* file = file_of("12345\n123456\r\n" + std::string(200'000, 'x') + "\nlast");
  LineReader lines(file, 5);
  EXPECT_EQ(lines.next().value(), LineReader::Next::line);
  EXPECT_EQ(lines.line(), "12345");
  EXPECT_EQ(lines.next().value(), LineReader::Next::too_long);
  EXPECT_EQ(lines.next().value(), LineReader::Next::too_long);
  EXPECT_EQ(lines.number(), 3U);
  EXPECT_EQ(lines.next().value(), LineReader::Next::line);
  EXPECT_EQ(lines.line(), "last");
  EXPECT_EQ(lines.next().value(), LineReader::Next::end);
  std::fclose(file);
}

TEST(ContentIds, are_the_same_for_the_same_events_in_the_same_order) {
  const auto a = event("A").json("{}").tagged("t");
  const auto b = event("B").json("{}").tagged("t");
  ContentIds ids, others;
  const auto first = ids.next(a);
  const auto second = ids.next(a);
  EXPECT_NE(first, second) << "two events that are alike are two events";
  EXPECT_EQ(others.next(b), ids.next(b));
  EXPECT_EQ(others.next(a), first);
  EXPECT_EQ(others.next(a), second);
  ids.restart();
  EXPECT_EQ(ids.next(a), first);
}

TEST(ContentIds, tell_apart_what_only_looks_alike) {
  const auto one = event("A").json("{}").tagged("ab", "c");
  const auto two = event("A").json("{}").tagged("a", "bc");
  const auto three = event("A").json("{}").tagged("ab").with("c", "");
  EXPECT_NE(content_of(one), content_of(two));
  EXPECT_NE(content_of(one), content_of(three));
}

}  // namespace
}  // namespace weir::io
