#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include <weir/server/server.hpp>
#include <weir/store/remote/client.hpp>

#include <apps/weir/shell_for_tests.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;

/// The commands against a server, over the wire.
class Remote : public Shell {
 protected:
  Remote() {
    serve("127.0.0.1:0");
    open_ = [this] { return remote::connect({.target = server_->grpc_address()}); };
  }

  void serve(const std::string& address) {
    auto server = server::Server::start(catalog_, {.grpc_address = address});
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
  }

  std::unique_ptr<server::Server> server_;
  std::atomic<int> seen_ = 0;
};

TEST_F(Remote, import_and_export_give_what_they_give_in_process) {
  const auto csv = write("a.csv", "t,who,n\nA,ada,\"x\ny\"\nB,,1\n");
  EXPECT_EQ(weir({"import", csv, "--type", "t", "--tag", "who=who"}).out,
            "imported 2 events, skipped 0 rows\n");
  EXPECT_EQ(weir({"import", csv, "--type", "t", "--tag", "who=who"}).out,
            "imported 0 events, 2 were there already, skipped 0 rows\n");
  const auto over_the_wire = weir({"export"}).out;
  open_ = [this] { return Result<std::shared_ptr<Catalog>>(catalog_); };
  EXPECT_EQ(over_the_wire, weir({"export"}).out);
  EXPECT_THAT(over_the_wire, HasSubstr(R"("tags":["who:ada"],"data":{"n":"x\ny"})"));
}

TEST_F(Remote, advice_keeps_the_options_that_say_where_the_log_is) {
  const auto unknown = weir({"read", "--log", "zz9", "--target", "host:1"}).err;
  EXPECT_THAT(unknown, HasSubstr("weir log list --target host:1\n"));
  open_ = [] {
    return Result<std::shared_ptr<Catalog>>(
        Error{.code = Code::not_found,
              .reason = Reason::log_not_found,
              .message = "log 'a' does not exist; create it with: weir log create a"});
  };
  EXPECT_THAT(weir({"head", "--store", "sqlite:a b.db"}).err,
              HasSubstr("create it with: weir log create a --store 'sqlite:a b.db'\n"));
  EXPECT_THAT(weir({"head", "--store", "postgres://u:s3cret@h/d"}).err,
              HasSubstr("weir log create a --store 'postgres://u:***@h/d'\n"));
  backup_ = [](const BackupRequest&) {
    return Error{.code = Code::not_found, .reason = Reason::log_not_found, .message = "no log"};
  };
  EXPECT_THAT(weir({"backup", "b.db", "--log", "a", "--store", "sqlite:a.db"}).err,
              HasSubstr("weir log list --store sqlite:a.db\n"));
}

TEST_F(Remote, a_token_in_plain_text_to_another_machine_is_warned_of) {
  const auto warned = [this](std::vector<std::string> more) {
    more.insert(more.begin(), "head");
    return weir(std::move(more)).err;
  };
  const auto warning = HasSubstr("warning: the token travels to 10.0.0.1:1 in plain text");
  EXPECT_THAT(warned({"--token", "t", "--target", "10.0.0.1:1"}), warning);
  EXPECT_EQ(warned({"--token", "t", "--target", "10.0.0.1:1", "--tls"}), "");
  EXPECT_EQ(warned({"--token", "t", "--target", "127.0.0.1:1"}), "");
  EXPECT_EQ(warned({"--target", "10.0.0.1:1"}), "");
  weir({"head", "--key", "k.pem"});
  EXPECT_TRUE(opened_with_.credentials.tls) << "who names a key means TLS";
}

TEST_F(Remote, a_failed_condition_names_the_event) {
  ASSERT_EQ(weir({"append", "--type", "Lent", "--tag", "book:dune"}).out, "1\n");
  const auto refused =
      weir({"append", "--type", "Lent", "--if-nothing-new", "tag=book:dune after=0"});
  EXPECT_EQ(refused.exit, Exit::condition_failed);
  EXPECT_THAT(refused.err, HasSubstr("event 1 (Lent, book:dune) was appended after 0"));
  EXPECT_EQ(weir({"head", "--log", "none"}).exit, Exit::not_found);
}

TEST_F(Remote, tail_goes_on_where_it_stopped_when_the_server_comes_back) {
  std::jthread operations([&] {
    EXPECT_TRUE(store().append({.events = {event("First").json("{}")}}));
    while (seen_.load() < 1) std::this_thread::yield();
    const auto address = server_->grpc_address();
    server_->shut_down(std::chrono::milliseconds(100));
    server_.reset();
    EXPECT_TRUE(store().append({.events = {event("Second").json("{}")}}));
    serve(address);
  });
  Captured err;
  Program program;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  program.out = ::fdopen(ends[1], "w");
  program.err = err.file();
  program.open_catalog = [&](const std::string&, const OpenOptions&) { return open_(); };
  std::string printed;
  std::jthread reader([&] {
    char buffer[4096];
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
      printed.append(buffer, static_cast<std::size_t>(n));
      if (printed.find("First") != std::string::npos) seen_ = 1;
    }
  });
  EXPECT_EQ(run({"tail", "--after", "0", "--limit", "2"}, program), Exit::fine) << err.text();
  std::fclose(program.out);
  reader.join();
  EXPECT_THAT(printed, ::testing::MatchesRegex(" +1 .*First.*\n +2 .*Second.*\n"));
  ::close(ends[0]);
}

}  // namespace
}  // namespace weir::cli
