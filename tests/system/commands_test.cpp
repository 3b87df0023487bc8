#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include <weir/open.hpp>

#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using ::testing::HasSubstr;
using testing_support::Finished;
using testing_support::run_program;
using testing_support::ServerProcess;
using testing_support::TemporaryFolder;
using namespace std::chrono_literals;

std::uintmax_t bytes_of(const std::string& path) {
  std::error_code error;  // it may not be there yet
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes;
}

class Backup : public testing::Test {
 protected:
  /// Large enough that copying it takes a while.
  void fill() {
    const auto log = open(store()).value();
    for (int i = 0; i < 40; ++i) {
      const auto appended =
          log->append({.events = {{.type = "A", .data = '"' + std::string(1'000'000, 'x') + '"'}}});
      ASSERT_TRUE(appended) << to_string(appended.error());
    }
  }
  std::string store() const { return "sqlite:" + folder_.file("log.db"); }
  Finished weir(std::vector<std::string> arguments) const {
    return run_program(testing_support::built_program(), arguments);
  }
  /// Starts a backup, and kills it as soon as it writes. False when it was done before.
  bool kill_half_way(const std::vector<std::string>& from) const {
    std::vector<std::string> arguments = {"backup", copy_};
    arguments.insert(arguments.end(), from.begin(), from.end());
    const auto process =
        testing_support::start_program(testing_support::built_program(), arguments);
    while (bytes_of(copy_ + ".part") == 0 && waitpid(process, nullptr, WNOHANG) == 0) {
      std::this_thread::sleep_for(1ms);
    }
    ::kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
    return !std::filesystem::exists(copy_);
  }
  /// What was left behind is taken no notice of, and is gone in the end.
  void expect_whole_after(const std::vector<std::string>& from) const {
    std::vector<std::string> arguments = {"backup", copy_};
    arguments.insert(arguments.end(), from.begin(), from.end());
    bool killed = false;
    for (int round = 0; round < 20 && !killed; ++round) {
      std::filesystem::remove(copy_);
      killed = kill_half_way(from);
    }
    ASSERT_TRUE(killed) << "no backup could be killed before it was done";
    ASSERT_TRUE(std::filesystem::exists(copy_ + ".part")) << "it left nothing: was it killed?";
    const auto done = weir(arguments);
    ASSERT_EQ(done.exit, 0) << done.output;
    const auto verified = weir({"verify", "--store", "sqlite:" + copy_});
    EXPECT_EQ(verified.exit, 0) << verified.output;
    EXPECT_EQ(weir({"head", "--store", "sqlite:" + copy_}).output, "40\n");
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
    }
  }

  TemporaryFolder folder_;
  const std::string copy_ = folder_.file("copy.db");
};

TEST_F(Backup, that_was_killed_is_begun_anew_by_the_next) {
  ASSERT_NO_FATAL_FAILURE(fill());
  expect_whole_after({"--store", store()});
}

TEST_F(Backup, of_a_server_that_was_killed_is_begun_anew_by_the_next) {
  ASSERT_NO_FATAL_FAILURE(fill());
  ServerProcess server({.program = testing_support::built_program(), .store = store()});
  expect_whole_after({"--target", server.grpc()});
}

TEST_F(Backup, leaves_a_file_alone_that_is_not_its_own) {
  ASSERT_EQ(weir({"log", "create", "default", "--store", store()}).exit, 0);
  std::ofstream(copy_ + ".part") << "somebody's notes";
  const auto refused = weir({"backup", copy_, "--store", store()});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.output, HasSubstr("copy.db.part' exists already"));
  EXPECT_EQ(bytes_of(copy_ + ".part"), 16u);
  EXPECT_FALSE(std::filesystem::exists(copy_));
}

TEST_F(Backup, into_a_folder_that_is_not_there_is_no_fault_of_the_server) {
  ServerProcess server({.program = testing_support::built_program(), .store = store()});
  const auto file = folder_.file("none/copy.db");
  for (const auto& from : {std::vector<std::string>{"--target", server.grpc()},
                           std::vector<std::string>{"--store", store()}}) {
    std::vector<std::string> arguments = {"backup", file};
    arguments.insert(arguments.end(), from.begin(), from.end());
    const auto refused = weir(arguments);
    EXPECT_EQ(refused.exit, 1);
    EXPECT_EQ(refused.output, "error: '" + file + ".part': No such file or directory\n");
  }
}

TEST(Serve, says_of_an_empty_file_that_a_new_store_was_made_in_it) {
  const TemporaryFolder folder;
  const auto file = folder.file("empty.db");
  std::ofstream(file).close();
  const ServerProcess server(
      {.program = testing_support::built_program(), .store = "sqlite:" + file});
  EXPECT_THAT(server.log(), HasSubstr("made a new store: " + file + ", where an empty file was"));
}

class Import : public testing::Test {
 protected:
  std::string csv(const std::string& last_row) const {
    auto text = std::string("type,note\n");
    for (int i = 0; i < 25; ++i) text += fmt::format("A,{}\n", i);
    const auto path = folder_.file("rows.csv");
    std::ofstream(path) << text << last_row << '\n';
    return path;
  }
  Finished import(const ServerProcess& server, const std::string& last_row) const {
    return run_program(testing_support::built_program(),
                       {"import", csv(last_row), "--type", "type", "--target", server.grpc()});
  }

  TemporaryFolder folder_;
  std::unique_ptr<Place> place_ = engines().front().make();
};

TEST_F(Import, takes_what_the_server_takes) {
  ServerProcess server({.program = testing_support::built_program(),
                        .store = place_->uri(),
                        .arguments = {"--data-bytes-max", "3000000", "--events-max", "10"}});
  const auto done = import(server, "A," + std::string(2'000'000, 'x'));
  EXPECT_EQ(done.exit, 0) << done.output;
  EXPECT_THAT(done.output, HasSubstr("imported 26 events, skipped 0 rows"));
}

TEST_F(Import, tells_the_rows_that_are_past_the_servers_limits) {
  ServerProcess server({.program = testing_support::built_program(),
                        .store = place_->uri(),
                        .arguments = {"--type-bytes-max", "4"}});
  const auto done = import(server, "Types,1");
  EXPECT_EQ(done.exit, 0) << done.output;
  EXPECT_THAT(done.output, HasSubstr("line 27: row.type: 5 bytes, the limit is 4"));
  EXPECT_THAT(done.output, HasSubstr("imported 25 events, skipped 1 rows"));
}

}  // namespace
}  // namespace weir::system_tests
