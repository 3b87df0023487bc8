#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/gateway/testing/shelf.pb.h>
#include <weir/base/json.hpp>
#include <weir/gateway/base64.hpp>
#include <weir/gateway/json_reader.hpp>
#include <weir/gateway/json_writer.hpp>

namespace weir::gateway {
namespace {

using testing::Book;
using ::testing::HasSubstr;
using ::testing::Not;

Book read(std::string_view text) {
  Book book;
  const auto read = read_json(text, book);
  EXPECT_TRUE(read) << (read ? "" : to_string(read.error())) << " in " << text;
  return book;
}

std::string refusal(std::string_view text) {
  Book book;
  const auto read = read_json(text, book);
  EXPECT_FALSE(read) << text;
  if (read) return {};
  EXPECT_EQ(read.error().code, Code::invalid_argument);
  return read.error().message;
}

std::string write(const Book& book, JsonLayout layout = JsonLayout::as_is) {
  std::string out;
  write_json(book, out, layout);
  EXPECT_TRUE(check_json(out)) << out;
  return out;
}

TEST(JsonReader, takes_camel_case_and_the_protos_own_names) {
  EXPECT_EQ(read(R"({"pagesRead":7})").pages_read(), 7);
  EXPECT_EQ(read(R"({"pages_read":7})").pages_read(), 7);
}

TEST(JsonReader, takes_integers_as_numbers_and_as_strings_exactly) {
  EXPECT_EQ(read(R"({"position":18446744073709551615})").position(), UINT64_MAX);
  EXPECT_EQ(read(R"({"position":"18446744073709551615"})").position(), UINT64_MAX);
  EXPECT_EQ(read(R"({"balance":-9223372036854775808})").balance(), INT64_MIN);
  EXPECT_EQ(read(R"({"position":1e3})").position(), 1000);
}

TEST(JsonReader, names_the_field_whose_integer_does_not_fit) {
  for (const auto* number : {"-1", "1.5", "18446744073709551616", "1e40", "\"x\"", "\"\""}) {
    EXPECT_THAT(refusal(std::string(R"({"position":)") + number + "}"), HasSubstr("position: "));
  }
  EXPECT_THAT(refusal(R"({"remarks":[{},{"pages":[1,99999999999]}]})"),
              HasSubstr("remarks[1].pages[1]: expected an integer from -2147483648"));
}

TEST(JsonReader, lets_a_payload_nest_as_deep_as_it_may_wherever_it_stands) {
  const auto nested = [](std::size_t depth) {
    return R"({"data":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(read(nested(json_depth_max)).data().size(), 2 * json_depth_max);
  EXPECT_EQ(refusal(nested(json_depth_max + 1)), "data: nested deeper than 128 levels");
  EXPECT_EQ(refusal(nested(100'000)),
            "body: nested deeper than 256 levels, at byte 263; a payload may have 128 of them");
}

TEST(JsonReader, names_an_unknown_field) {
  EXPECT_THAT(refusal(R"({"titel":"x"})"), HasSubstr("titel: unknown field"));
  EXPECT_THAT(refusal(R"({"details":{"inner":{"x":1}}})"), HasSubstr("details.inner.x: unknown"));
}

TEST(JsonReader, refuses_a_field_given_twice) {
  EXPECT_THAT(refusal(R"({"title":"a","title":"b"})"), HasSubstr("title: given twice"));
  EXPECT_THAT(refusal(R"({"pagesRead":1,"pages_read":1})"), HasSubstr("given twice"));
  EXPECT_THAT(refusal(R"({"labels":{"a":"1","a":"2"}})"), HasSubstr("labels.a: given twice"));
}

TEST(JsonReader, refuses_two_fields_of_a_oneof) {
  EXPECT_THAT(refusal(R"({"room":"a","floor":2})"), HasSubstr("only one of the fields of 'place'"));
}

TEST(JsonReader, names_the_field_of_another_kind) {
  EXPECT_THAT(refusal(R"({"title":5})"), HasSubstr("title: expected a string, not a number"));
  EXPECT_THAT(refusal(R"({"tags":"a"})"), HasSubstr("tags: expected an array, not a string"));
  EXPECT_THAT(refusal(R"({"lent":"true"})"), HasSubstr("lent: expected true or false"));
  EXPECT_THAT(refusal(R"({"details":[]})"), HasSubstr("details: expected an object"));
  EXPECT_THAT(refusal(R"([])"), HasSubstr("body: expected an object"));
  EXPECT_THAT(refusal(R"({"tags":[null]})"), HasSubstr("tags[0]"));
}

TEST(JsonReader, says_where_malformed_json_breaks_even_inside_a_payload) {
  for (const auto* text : {"{", R"({"data":{"a":tru}})", R"({"data":[1,2)", R"({"data":01})",
                           R"({"title":"\ud800"})", "{\"title\":\"\xff\"}", "{} {}", "{'a':1}",
                           R"({"data":"\x"})", "{\"title\":\"\xED\xA0\x80\"}"}) {
    EXPECT_THAT(refusal(text), HasSubstr("byte")) << text;
  }
  EXPECT_THAT(refusal("  "), HasSubstr("empty"));
}

TEST(JsonReader, refuses_deep_nesting) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(refusal(R"({"data":)" + deep + std::string(100'000, ']') + "}"), HasSubstr("byte"));
}

TEST(JsonReader, null_leaves_a_field_as_it_is) {
  EXPECT_FALSE(read(R"({"pagesRead":null,"details":null})").has_pages_read());
}

TEST(JsonReader, reads_times_enumerations_maps_and_bytes) {
  const auto book = read(R"({"printedAt":"2011-10-11T13:45:40.276+02:00","borrowedFor":"1.5s",
      "colour":"RED","colours":[1,"RED"],"labels":{"a":"b"},"chapters":{"-3":{"note":"x"}},
      "cover":"AP8="})");
  EXPECT_EQ(book.printed_at().seconds(), 1318333540);
  EXPECT_EQ(book.printed_at().nanos(), 276'000'000);
  EXPECT_EQ(book.borrowed_for().nanos(), 500'000'000);
  EXPECT_EQ(book.colour(), testing::RED);
  EXPECT_EQ(book.colours_size(), 2);
  EXPECT_EQ(book.labels().at("a"), "b");
  EXPECT_EQ(book.chapters().at(-3).note(), "x");
  EXPECT_EQ(book.cover(), std::string("\0\xff", 2));
  EXPECT_THAT(refusal(R"({"colour":"PINK"})"), HasSubstr("colour: expected a name of Colour"));
  EXPECT_THAT(refusal(R"({"printedAt":"yesterday"})"), HasSubstr("printedAt: expected a time"));
  EXPECT_THAT(refusal(R"({"cover":"A"})"), HasSubstr("cover: expected base64"));
}

TEST(JsonReader, unescapes_strings) {
  EXPECT_EQ(read(R"({"title":"\u00e4\ud83d\ude00\n\"\/\\"})").title(),
            "\xC3\xA4\xF0\x9F\x98\x80\n\"/\\");
}

TEST(Payload, comes_back_digit_for_digit) {
  const std::string data =
      R"({ "n": 1234567890123456789012345678901234567890, "d":1.10e+2 ,"u":"\u00e4","i":-0})";
  const auto book = read(R"({"data":  )" + data + R"(  ,"title":"x"})");
  EXPECT_EQ(book.data(), data);
  EXPECT_THAT(write(book), HasSubstr(R"("data":)" + data));
}

TEST(Payload, takes_any_json_value) {
  for (const auto* value : {"null", "true", "0", "-1.5e300", R"("text")", "[]", "[1, 2]", "{}"}) {
    EXPECT_EQ(read(std::string(R"({"data":)") + value + "}").data(), value);
  }
}

TEST(Payload, of_json_that_is_not_given_is_an_empty_object) {
  EXPECT_EQ(read(R"({"title":"x"})").data(), "{}");
  EXPECT_EQ(read(R"({"contentType":"application/x+json"})").data(), "{}");
  EXPECT_EQ(read(R"({"contentType":"text/plain"})").data(), "");
}

TEST(Payload, follows_the_content_type_wherever_it_stands) {
  EXPECT_EQ(read(R"({"data":"a\nb","contentType":"text/plain; charset=utf-8"})").data(), "a\nb");
  EXPECT_EQ(read(R"({"contentType":"application/x","data":"AP8="})").data(),
            std::string("\0\xff", 2));
  EXPECT_EQ(read(R"({"contentType":"application/cloudevents+JSON","data":[1]})").data(), "[1]");
  EXPECT_THAT(refusal(R"({"contentType":"text/plain","data":{}})"), HasSubstr("data: expected a"));
  EXPECT_THAT(refusal(R"({"contentType":"image/png","data":"%"})"), HasSubstr("data: expected ba"));
}

TEST(Payload, that_is_not_what_its_type_says_is_written_as_base64_under_another_name) {
  Book book;
  book.set_data("not json");
  EXPECT_THAT(write(book), HasSubstr(R"("dataBase64":"bm90IGpzb24=")"));
  book.set_content_type("text/plain");
  book.set_data("\xff");
  EXPECT_THAT(write(book), HasSubstr(R"("dataBase64":"/w==")"));
  EXPECT_EQ(read(write(book)).data(), "\xff");
}

TEST(Payload, stays_on_one_line_where_lines_matter) {
  Book book;
  book.set_data("{\r\n\"a\":\n\"b\\n\"}");
  EXPECT_THAT(write(book, JsonLayout::one_line), HasSubstr(R"("data":{  "a": "b\n"})"));
}

TEST(JsonWriter, writes_large_integers_as_strings_and_others_as_numbers) {
  Book book;
  book.set_position(9007199254740992);
  book.set_balance(-9007199254740993);
  EXPECT_THAT(write(book), HasSubstr(R"("position":9007199254740992,)"));
  EXPECT_THAT(write(book), HasSubstr(R"("balance":"-9007199254740993")"));
}

TEST(JsonWriter, writes_zero_numbers_and_empty_lists_but_no_empty_strings_that_nobody_counts_on) {
  const auto text = write(Book{});
  EXPECT_THAT(text, HasSubstr(R"("position":0)"));
  EXPECT_THAT(text, HasSubstr(R"("tags":[])"));
  EXPECT_THAT(text, HasSubstr(R"("title":"")"));
  EXPECT_THAT(text, Not(HasSubstr("pagesRead")));
  EXPECT_THAT(text, Not(HasSubstr("data")));
}

TEST(JsonWriter, writes_what_the_reader_reads_back) {
  const auto text = R"({"title":"\u0001\"","position":"18446744073709551615",)"
                    R"("chapters":{"1":{"pages":[1]}},)"
                    R"("colour":"RED","printedAt":"0001-01-01T00:00:00Z","borrowedFor":"-1.500s",)"
                    R"("weight":0.1,"price":"NaN","floor":0,"remarks":[{"inner":{"note":"n"}}]})";
  const auto book = read(text);
  EXPECT_EQ(write(read(write(book))), write(book));
  EXPECT_THAT(write(book), HasSubstr(R"("printedAt":"0001-01-01T00:00:00Z")"));
  EXPECT_THAT(write(book), HasSubstr(R"("floor":0)"));
}

TEST(Query, sets_fields_by_path_and_repeats_lists) {
  Book book;
  ASSERT_TRUE(read_query("tags=a&tags=b%26c+d&details.note=x&pagesRead=3&room=r", {}, book));
  EXPECT_EQ(book.tags_size(), 2);
  EXPECT_EQ(book.tags(1), "b&c d");
  EXPECT_EQ(book.details().note(), "x");
  EXPECT_EQ(book.pages_read(), 3);
}

TEST(Query, takes_messages_and_maps_as_json) {
  Book book;
  ASSERT_TRUE(read_query(R"(details={"pages":[1,2]}&remarks={"note":"a"}&remarks={"note":"b"})"
                         R"(&labels={"k":"v"}&printedAt=2011-10-11T11:45:40Z)",
                         {}, book));
  EXPECT_EQ(book.details().pages_size(), 2);
  EXPECT_EQ(book.remarks_size(), 2);
  EXPECT_EQ(book.labels().at("k"), "v");
  EXPECT_EQ(book.printed_at().seconds(), 1318333540);
}

TEST(Query, names_the_parameter_that_is_wrong) {
  for (const auto& [query, message] : std::vector<std::pair<std::string, std::string>>{
           {"nosuch=1", "nosuch: unknown parameter"},
           {"title.x=1", "title.x: unknown parameter; 'title' has no fields"},
           {"position=abc", "position: expected an integer"},
           {"position=", "position: expected an integer"},
           {"title=a&title=b", "title: given twice"},
           {"title=%f", "title: its value is not percent-encoded"},
           {"title=%ff", "title: not valid UTF-8"},
           {"details={", "details: not valid JSON"},
           {"details=", "details: it is empty"},
           {"details={\"x\":1}", "details.x: unknown field"},
           {"lent=yes", "lent: expected true or false"},
           {"shelf=a", "shelf: it is given in the path"},
           {"room=a&floor=1", "floor: only one of"}}) {
    Book book;
    const auto result = read_query(query, {"shelf"}, book);
    ASSERT_FALSE(result) << query;
    EXPECT_THAT(result.error().message, HasSubstr(message)) << query;
  }
}

TEST(Base64, reads_back_what_it_wrote_and_refuses_the_rest) {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 37 + size);
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(decode_base64("YQ==Yg=="), "ab");
  EXPECT_EQ(decode_base64("_-8"), decode_base64("/+8="));
  for (const auto* text : {"A", "A===", "AA=", "====", "AAAA=", "A A", "%"}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

}  // namespace
}  // namespace weir::gateway
