#include <gmock/gmock.h>

#include <apps/weir/condition_text.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/shell_for_tests.hpp>

namespace weir::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Append : public Shell {};

TEST_F(Append, an_empty_type_and_no_events_at_all_are_told_apart) {
  const auto type = weir({"append", "--type", ""});
  EXPECT_EQ(type.exit, Exit::usage);
  EXPECT_THAT(type.err, HasSubstr("--type: must not be empty"));
  const auto none = weir({"append"}, "\n");
  EXPECT_EQ(none.exit, Exit::usage);
  EXPECT_THAT(none.err, HasSubstr("events: there are none"));
}

TEST_F(Append, takes_no_empty_text_for_what_a_script_meant_to_give) {
  for (const std::string option : {"--if-nothing-new", "--condition-query", "--idempotency-key",
                                   "--id", "--store", "--target", "--log", "--tag", "--token"}) {
    const auto done = weir({"append", "--type", "A", option, ""});
    EXPECT_EQ(done.exit, Exit::usage) << option;
    EXPECT_THAT(done.err, HasSubstr(option + ": must not be empty"));
    EXPECT_EQ(opened_, "") << option;
  }
  for (const auto* option : {"--query", "--type", "--where"}) {
    EXPECT_EQ(weir({"read", option, ""}).exit, Exit::usage) << option;
  }
  EXPECT_EQ(weir({"export", ""}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--data", "", "--content-type", "x/y"}).exit,
            Exit::fine);
  EXPECT_EQ(weir({"append", "--type", "A", "--if-nothing-new", " "}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--if-nothing-new", "after=1"}).exit, Exit::fine);
  EXPECT_EQ(weir({"append", "--type", "A", "--if-nothing-new", "after=0"}).exit,
            Exit::condition_failed);
}

TEST_F(Append, records_what_its_options_say_and_prints_the_position) {
  const auto done =
      weir({"append", "--type", "Lent", "--tag", "book:dune", "--tag", "[a,b]", "--data", "[1,2]",
            "--metadata", "k=v=w", "--id", "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11", "--occurred-at",
            "2020-01-01T00:00:00Z"});
  EXPECT_EQ(done.exit, Exit::fine) << done.err;
  EXPECT_EQ(done.out, "1\n");
  const auto event = store().read({}).collect().value().events.at(0);
  EXPECT_EQ(event.type, "Lent");
  EXPECT_THAT(event.tags, ElementsAre("book:dune", "[a,b]"));
  EXPECT_EQ(event.data, "[1,2]");
  EXPECT_EQ(event.metadata, (std::vector<MetadataEntry>{{"k", "v=w"}}));
  EXPECT_EQ(to_string(*event.id), "0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11");
  EXPECT_EQ(format_timestamp(event.occurred_at), "2020-01-01T00:00:00Z");
  EXPECT_TRUE(opened_with_.create);
}

TEST_F(Append, makes_a_store_in_a_folder_that_is_there_and_says_so) {
  const auto made = weir({"append", "--type", "A", "--store", "sqlite:" + path("new.db")});
  EXPECT_EQ(made.exit, Exit::fine) << made.err;
  EXPECT_EQ(made.err, "made a new store: " + path("new.db") + "\n");
  EXPECT_TRUE(opened_with_.create);
  EXPECT_EQ(weir({"append", "--type", "A", "--store", "sqlite:" + write("old.db", "x")}).err, "");
}

TEST_F(Append, says_of_an_empty_file_that_a_new_store_was_made_in_it) {
  const auto store = "sqlite:" + write("empty.db", "");
  const auto said = "made a new store: " + path("empty.db") + ", where an empty file was\n";
  EXPECT_EQ(weir({"append", "--type", "A", "--store", store}).err, said);
  EXPECT_EQ(weir({"log", "create", "default", "--store", store}).err, said);
  EXPECT_EQ(weir({"head", "--store", store}).err, "");
}

TEST_F(Append, makes_no_store_where_no_folder_is) {
  const auto refused = weir({"append", "--type", "A", "--store", "sqlite:" + path("slip/x.db")});
  EXPECT_EQ(refused.exit, Exit::not_found);
  EXPECT_THAT(refused.err, HasSubstr("no folder '" + path("slip") + "' to make one in"));
  EXPECT_THAT(refused.err, HasSubstr("weir log create default --store sqlite:" + path("slip/x")));
  EXPECT_EQ(opened_, "");
}

TEST_F(Append, makes_no_store_for_a_log_that_would_not_be_in_it) {
  const auto refused =
      weir({"append", "--type", "A", "--log", "orders", "--store", "sqlite:" + path("new.db")});
  EXPECT_EQ(refused.exit, Exit::not_found);
  EXPECT_FALSE(opened_with_.create);
  EXPECT_EQ(refused.err.find("made"), std::string::npos) << refused.err;
}

TEST_F(Append, hints_at_a_command_without_the_password_of_the_store) {
  for (const auto* typed :
       {"postgres://u:s3cret@h/x", "postgres://u@h/x?password=s3cret&sslmode=prefer",
        "postgres://u:s3cret/with@h/x"}) {
    const auto refused = weir({"append", "--type", "A", "--log", "none", "--store", typed});
    EXPECT_THAT(refused.err, HasSubstr("weir log list --store 'postgres://u")) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("***")) << refused.err;
    EXPECT_EQ(refused.err.find("s3cret"), std::string::npos) << refused.err;
  }
}

TEST_F(Append, takes_the_payload_from_a_file_or_standard_input) {
  EXPECT_EQ(weir({"append", "--type", "A", "--data", "@" + write("p", "{\"a\":1}")}).out, "1\n");
  EXPECT_EQ(weir({"append", "--type", "A", "--data", "-"}, "{\"b\":2}").out, "2\n");
  EXPECT_EQ(weir({"append", "--type", "A", "--data", "\xFF", "--content-type", "x/y"}).out, "3\n");
  EXPECT_EQ(weir({"append", "--type", "A"}).out, "4\n");
  const auto events = store().read({}).collect().value().events;
  EXPECT_EQ(events[0].data, "{\"a\":1}");
  EXPECT_EQ(events[1].data, "{\"b\":2}");
  EXPECT_EQ(events[2].data, "\xFF");
  EXPECT_EQ(events[3].data, "{}");
  EXPECT_EQ(weir({"append", "--type", "A", "--data", "@" + path("none")}).exit, Exit::failed);
}

TEST_F(Append, takes_many_events_as_lines_all_or_none) {
  const auto done = weir({"append", "--json"}, "{\"type\":\"A\"}\n\n{\"type\":\"B\",\"data\":7}\n");
  EXPECT_THAT(done.out, HasSubstr("{\"first\":1,\"last\":2,"));
  const auto bad = weir({"append", "-"}, "{\"type\":\"A\"}\n{\"type\":}\n");
  EXPECT_EQ(bad.exit, Exit::usage);
  EXPECT_THAT(bad.err, HasSubstr("line 2: type:"));
  EXPECT_EQ(store().head().value(), Position(2));
  EXPECT_EQ(weir({"append", write("f.ndjson", "{\"type\":\"A\"}\n{\"type\":\"B\"}")}).out, "3-4\n");
}

TEST_F(Append, says_which_event_failed_the_condition_and_how_to_read_it) {
  ASSERT_EQ(weir({"append", "--type", "Opened"}).exit, Exit::fine);
  ASSERT_EQ(weir({"append", "--type", "BookCopyLent", "--tag", "book:dune", "--tag", "r:a"}).exit,
            Exit::fine);
  const auto refused = weir({"append", "--type", "BookCopyLent", "--tag", "book:dune",
                             "--if-nothing-new", "tag=book:dune after=1"});
  EXPECT_EQ(refused.exit, Exit::condition_failed);
  EXPECT_EQ(refused.err,
            "error: append condition failed: event 2 (BookCopyLent, book:dune) was appended after "
            "1\n  read it with: weir read --tag book:dune --after 1\n");
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(store().head().value(), Position(2));
  EXPECT_EQ(weir({"append", "--type", "X", "--if-nothing-new", "tag=book:dune after=2"}).exit,
            Exit::fine);
}

TEST_F(Append, takes_any_query_as_condition) {
  ASSERT_EQ(weir({"append", "--type", "A"}).exit, Exit::fine);
  const auto refused = weir({"append", "--type", "B", "--condition-query",
                             R"({"items":[{"types":["A"]},{"types":["B"]}]})"});
  EXPECT_EQ(refused.exit, Exit::condition_failed);
  EXPECT_THAT(refused.err, HasSubstr("weir read --query '{\"items\":"));
  EXPECT_EQ(
      weir({"append", "--type", "B", "--condition-query", "{\"items\":[]}", "--after", "1"}).exit,
      Exit::fine);
}

TEST_F(Append, repeats_its_answer_for_the_same_idempotency_key) {
  const std::vector<std::string> once = {"append", "--type", "A", "--idempotency-key",
                                         "k",      "--json"};
  EXPECT_THAT(weir(once).out, HasSubstr("\"replayed\":false"));
  EXPECT_THAT(weir(once).out, HasSubstr("\"replayed\":true"));
  EXPECT_EQ(store().head().value(), Position(1));
  EXPECT_EQ(weir({"append", "--type", "B", "--idempotency-key", "k"}).exit, Exit::failed);
}

TEST_F(Append, refuses_what_it_does_not_understand_with_code_two) {
  EXPECT_EQ(weir({"append", "--type", "A", "--data", "{bad"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--id", "1"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--metadata", "k"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--occurred-at", "noon"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--colour", "red"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--if-nothing-new", "book:dune"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--tag", "a"}).exit, Exit::usage);
  EXPECT_EQ(weir({"append", "--type", "A", "--log", "other"}).exit, Exit::not_found);
  EXPECT_EQ(store().head().value(), Position(0));
}

TEST(ConditionText, joins_its_words_into_one_item) {
  const auto condition =
      parse_condition(R"(tag=a:b  type="Book \"x\" lent" tag=c where=k=v=w after=7)").value();
  const Query expected{
      {{.types = {"Book \"x\" lent"}, .tags = {"a:b", "c"}, .where = {{"k", "v=w"}}}}};
  EXPECT_EQ(condition.fail_if_events_match, expected);
  EXPECT_EQ(condition.after, Position(7));
  EXPECT_TRUE(parse_condition("after=0").value().fail_if_events_match.everything());
  for (const auto* bad : {"x", "colour=red", "after=x", "after=1 after=2", "type=\"a", "where=k"}) {
    EXPECT_FALSE(parse_condition(bad)) << bad;
  }
}

TEST(ShellQuoted, leaves_plain_words_alone_and_quotes_the_rest) {
  EXPECT_EQ(shell_quoted("book:dune"), "book:dune");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

}  // namespace
}  // namespace weir::cli
