#include <atomic>
#include <csignal>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include <apps/weir/event_text.hpp>
#include <apps/weir/shell_for_tests.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class Reading : public Shell {
 protected:
  Reading() {
    for (int i = 1; i <= 4; ++i) {
      auto lent = event(i % 2 == 0 ? "Back" : "Lent")
                      .json({{"reader", i < 3 ? "ada" : "bob"}})
                      .tagged("book:" + std::to_string(i), "all");
      lent.occurred_at = Timestamp(std::chrono::seconds(i));
      EXPECT_TRUE(store().append({.events = {lent}}));
    }
  }

  /// The positions that a command prints.
  std::string positions(std::vector<std::string> arguments) {
    const auto done = weir(std::move(arguments));
    EXPECT_EQ(done.exit, Exit::fine) << done.err;
    std::istringstream lines(done.out);
    std::string line, all;
    while (std::getline(lines, line)) all += std::to_string(std::stoi(line)) + " ";
    return all;
  }
};

TEST_F(Reading, joins_its_options_into_one_item) {
  EXPECT_EQ(positions({"read"}), "1 2 3 4 ");
  EXPECT_EQ(positions({"read", "--type", "Lent"}), "1 3 ");
  EXPECT_EQ(positions({"read", "--type", "Lent", "--type", "Back", "--tag", "book:2"}), "2 ");
  EXPECT_EQ(positions({"read", "--tag", "all", "--tag", "book:3"}), "3 ");
  EXPECT_EQ(positions({"read", "--where", "reader=bob", "--type", "Back"}), "4 ");
  EXPECT_EQ(
      positions({"read", "--query", R"({"items":[{"tags":["book:1"]},{"tags":["book:4"]}]})"}),
      "1 4 ");
}

TEST_F(Reading, keeps_to_positions_times_limit_and_direction) {
  EXPECT_EQ(positions({"read", "--after", "2"}), "3 4 ");
  EXPECT_EQ(positions({"read", "--from", "2", "--until", "3"}), "2 3 ");
  EXPECT_EQ(positions({"read", "--backwards", "--limit", "2"}), "4 3 ");
  EXPECT_EQ(positions({"read", "--occurred-from", "1970-01-01T00:00:02Z", "--occurred-until",
                       "1970-01-01T00:00:03Z"}),
            "2 3 ");
}

TEST_F(Reading, prints_a_line_for_a_person_or_the_line_of_export) {
  EXPECT_EQ(weir({"read", "--limit", "1"}).out,
            "     1  1970-01-01T00:00:01Z      Lent book:1 all  {\"reader\":\"ada\"}\n");
  EXPECT_THAT(weir({"read", "--limit", "1", "--json"}).out,
              AllOf(StartsWith("{\"position\":1,\"id\":\""), HasSubstr("\"data\":{\"reader\"")));
  EXPECT_EQ(weir({"read", "--json"}).out, weir({"export"}).out);
}

TEST_F(Reading, refuses_what_contradicts_itself) {
  EXPECT_EQ(weir({"read", "--after", "1", "--from", "2"}).exit, Exit::usage);
  EXPECT_EQ(weir({"read", "--query", "{}", "--tag", "a"}).exit, Exit::usage);
  EXPECT_EQ(weir({"read", "--target", "a:1", "--store", "sqlite:x"}).exit, Exit::usage);
  EXPECT_EQ(weir({"read", "--limit", "-1"}).exit, Exit::usage);
  EXPECT_EQ(weir({"read", "--query", "{\"item\":[]}"}).exit, Exit::usage);
  EXPECT_EQ(weir({"read", "--where", "x"}).exit, Exit::usage);
}

TEST_F(Reading, opens_the_server_or_the_store_that_was_named) {
  ASSERT_EQ(weir({"read"}).exit, Exit::fine);
  EXPECT_EQ(opened_, "weir://127.0.0.1:50051");
  ASSERT_EQ(weir({"head", "--target", "box:7"}).exit, Exit::fine);
  EXPECT_EQ(opened_, "weir://box:7");
  ASSERT_EQ(weir({"head", "--store", "sqlite:a.db"}).exit, Exit::fine);
  EXPECT_EQ(opened_, "sqlite:a.db");
  EXPECT_FALSE(opened_with_.create) << "reading must not make a store";
}

TEST_F(Reading, says_how_to_start_a_server_that_does_not_answer) {
  auto error = remote::from_status({grpc::StatusCode::UNAVAILABLE, "nobody listens"});
  open_ = [&] { return Result<std::shared_ptr<Catalog>>(error); };
  auto failed = weir({"head", "--target", "box:7"});
  EXPECT_EQ(failed.exit, Exit::unavailable);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("box:7"), HasSubstr("weir serve"), HasSubstr("--store")));
  // One that says itself that it can't.
  error = remote::from_status(remote::to_status(unavailable("the disk is full")));
  failed = weir({"head", "--target", "box:7"});
  EXPECT_EQ(failed.err, "error: the disk is full\n");
}

TEST_F(Reading, a_reader_that_goes_away_ends_it_quietly) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  std::signal(SIGPIPE, SIG_IGN);
  Captured err;
  Program program;
  program.out = ::fdopen(ends[1], "w");
  program.err = err.file();
  program.open_catalog = [&](const std::string&, const OpenOptions&) { return open_(); };
  EXPECT_EQ(run({"read"}, program), Exit::fine);
  EXPECT_EQ(err.text(), "");
  std::fclose(program.out);
}

TEST_F(Reading, a_full_disk_is_an_error) {
  Captured err;
  Program program;
  program.out = std::fopen("/dev/full", "w");
  ASSERT_NE(program.out, nullptr);
  program.err = err.file();
  program.open_catalog = [&](const std::string&, const OpenOptions&) { return open_(); };
  EXPECT_EQ(run({"read"}, program), Exit::failed);
  EXPECT_THAT(err.text(), HasSubstr("cannot be written"));
  std::fclose(program.out);
}

TEST_F(Reading, head_prints_the_last_position) {
  EXPECT_EQ(weir({"head"}).out, "4\n");
  EXPECT_EQ(weir({"head", "--json"}).out, "{\"log\":\"default\",\"head\":4}\n");
}

TEST_F(Reading, tail_begins_with_the_last_and_follows_until_it_is_interrupted) {
  std::jthread writer([&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(store().append({.events = {event("New").json("{}")}}));
    }
  });
  EXPECT_THAT(positions({"tail", "--after", "2", "--limit", "22"}),
              StartsWith("3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 "));
  writer.join();
  EXPECT_EQ(positions({"tail", "-n", "2", "--limit", "0"}), "23 24 ");
  EXPECT_EQ(positions({"tail", "-n", "1", "--type", "Lent", "--limit", "0"}), "3 ");
  stop_.request_stop();
  EXPECT_EQ(positions({"tail", "-n", "1", "--type", "Lent"}), "");
}

TEST_F(Reading, tail_starts_at_the_head_and_ends_cleanly_when_interrupted) {
  std::atomic<bool> begun = false;
  open_ = [&] {
    begun = true;
    return Result<std::shared_ptr<Catalog>>(catalog_);
  };
  std::jthread interrupter([&] {
    while (!begun.load()) std::this_thread::yield();
    stop_.request_stop();
  });
  const auto done = weir({"tail"});
  EXPECT_EQ(done.exit, Exit::fine) << done.err;
  EXPECT_EQ(done.out, "");
}

TEST(EventText, shows_control_characters_instead_of_sending_them_to_the_terminal) {
  EXPECT_EQ(printable("a\x1b[31m\nb\x7F\xC2\x9B é"), "a\\x1b[31m\\x0ab\\x7f\\x9b é");
  EXPECT_EQ(printable("a\u202Eb\u2066\u2069\u200F\u061Cc \u2019\u20AC"),
            "a\\u202eb\\u2066\\u2069\\u200f\\u061cc \u2019\u20AC");
  EXPECT_EQ(printable("\xE2\x80"), "\xE2\x80") << "cut off";
}

}  // namespace
}  // namespace weir::cli
