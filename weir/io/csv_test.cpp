#include <weir/io/csv.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<CsvRow> rows_of(std::string_view text, CsvOptions options = {}) {
  CsvReader reader(text, options);
  std::vector<CsvRow> rows;
  CsvRow row;
  while (reader.next(row)) rows.push_back(row);
  return rows;
}

TEST(Csv, reads_cells_with_separators_quotes_and_line_ends_in_quotes) {
  const auto rows = rows_of("a,b,c\r\n\"x,y\",\"say \"\"hi\"\"\",\"two\r\nlines\"\r\n,,\r\n");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "b", "c"));
  EXPECT_THAT(rows[1].cells, ElementsAre("x,y", "say \"hi\"", "two\r\nlines"));
  EXPECT_THAT(rows[2].cells, ElementsAre("", "", ""));
  EXPECT_EQ(rows[2].line, 4U);
}

TEST(Csv, passes_over_a_byte_order_mark_and_empty_lines_and_needs_no_last_line_end) {
  const auto rows = rows_of("\xEF\xBB\xBF\n\na,b\n\n1,2\n\n3,4");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[0].cells, ElementsAre("a", "b"));
  EXPECT_THAT(rows[2].cells, ElementsAre("3", "4"));
  EXPECT_EQ(rows[2].line, 7U);
}

TEST(Csv, reports_a_row_with_another_number_of_columns_and_reads_on) {
  const auto rows = rows_of("a,b\n1\n2,3\n4,5,6\n7,8\n");
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[1].problem, "has 1 columns, the header has 2");
  EXPECT_EQ(rows[1].line, 2U);
  EXPECT_EQ(rows[3].problem, "has 3 columns, the header has 2");
  EXPECT_THAT(rows[4].cells, ElementsAre("7", "8"));
  EXPECT_EQ(rows[4].line, 5U);
}

TEST(Csv, a_stray_quote_costs_its_own_line_and_no_other) {
  const auto rows = rows_of("a,b\n1,\"2\n3,4\n5,6\n");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_THAT(rows[1].problem, HasSubstr("not closed"));
  EXPECT_EQ(rows[1].line, 2U);
  EXPECT_THAT(rows[2].cells, ElementsAre("3", "4"));
  EXPECT_EQ(rows[2].line, 3U);
  EXPECT_THAT(rows[3].cells, ElementsAre("5", "6"));
}

TEST(Csv, two_stray_quotes_that_pair_up_across_lines_cost_two_lines) {
  const auto rows = rows_of("a,b\n1,\"2\n3,4\n5\",6\n7,8\n");
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_FALSE(rows[1].problem.empty());
  EXPECT_THAT(rows[2].cells, ElementsAre("3", "4"));
  EXPECT_THAT(rows[3].cells, ElementsAre("5\"", "6"));
  EXPECT_THAT(rows[4].cells, ElementsAre("7", "8"));
}

TEST(Csv, refuses_text_after_a_closing_quote) {
  const auto rows = rows_of("a,b\n\"1\"x,2\n3,4\n");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1].problem, "has text after a closing quote");
  EXPECT_THAT(rows[2].cells, ElementsAre("3", "4"));
}

TEST(Csv, reports_bytes_that_are_not_utf8) {
  const auto rows = rows_of("a,b\n1,\xFF\n3,\xC3\xA4\n");
  EXPECT_EQ(rows[1].problem, "is not valid UTF-8");
  EXPECT_THAT(rows[2].cells, ElementsAre("3", "\xC3\xA4"));
}

TEST(Csv, reports_a_row_that_is_too_long_and_reads_on) {
  const auto rows =
      rows_of("a,b\n" + std::string(50, 'x') + ",1\n\"" + std::string(50, 'y') + "\",1\n3,4\n",
              {.row_bytes_max = 20});
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[1].problem, "is longer than 20 bytes");
  EXPECT_THAT(rows[2].problem, HasSubstr("within 20 bytes"));
  EXPECT_THAT(rows[3].cells, ElementsAre("3", "4"));
}

TEST(Csv, takes_another_separator) {
  EXPECT_THAT(rows_of("a;b,c\n", {.separator = ';'})[0].cells, ElementsAre("a", "b,c"));
}

TEST(Csv, goes_back_to_a_row_met_before) {
  const std::string text = "a,b\n1,\"2\n\"\n3,4\n";
  CsvReader reader(text);
  CsvRow header, first, second, again;
  ASSERT_TRUE(reader.next(header) && reader.next(first) && reader.next(second));
  reader.seek(first);
  ASSERT_TRUE(reader.next(again));
  EXPECT_EQ(again.cells, first.cells);
  EXPECT_EQ(again.line, 2U);
  ASSERT_TRUE(reader.next(again));
  EXPECT_EQ(again.line, 4U);
}

}  // namespace
}  // namespace weir::io
