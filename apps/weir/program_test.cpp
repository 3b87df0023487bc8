#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <tests/support/places.hpp>
#include <weir/base/time.hpp>

namespace weir::cli {
namespace {

using ::testing::HasSubstr;

/// The program itself, as a process, on a SQLite store in a folder of the test's own.
class RealProgram : public ::testing::Test {
 protected:
  RealProgram() { std::filesystem::create_directories(folder_); }
  ~RealProgram() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string store(const std::string& name) const { return "sqlite:" + path(name); }

  /// Starts the program with its output in the file "out".
  pid_t start(std::vector<std::string> arguments) const {
    return start_any(testing_support::built_program(), std::move(arguments));
  }

  pid_t start_any(std::string program, std::vector<std::string> arguments) const {
    std::vector<char*> argv = {program.data()};
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child != 0) return child;
    const int out = ::open(path("out").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  static int wait_for(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string output() const {
    std::stringstream content;
    content << std::ifstream(path("out")).rdbuf();
    return content.str();
  }

  /// Runs the program with arguments and redirections as a shell takes them.
  std::string shell(const std::string& arguments, int expected = 0) const {
    const auto command =
        "cd " + folder_.string() + " && exec " + testing_support::built_program() + " " + arguments;
    EXPECT_EQ(wait_for(start_any("/bin/sh", {"-c", command})), expected) << output();
    return output();
  }

  std::string weir(std::vector<std::string> arguments, int expected = 0) const {
    EXPECT_EQ(wait_for(start(std::move(arguments))), expected) << output();
    return output();
  }

 private:
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("weir-program-" + std::to_string(::getpid()));
};

TEST_F(RealProgram, an_import_killed_halfway_and_run_again_ends_as_one_whole_run) {
  {
    std::ofstream csv(path("rows.csv"));
    csv << "type,case,n\n";
    for (int i = 0; i < 4000; ++i) csv << fmt::format("T{},{},{}\n", i % 7, i % 50, i / 2);
  }
  const std::vector<std::string> import = {"import", path("rows.csv"), "--type",  "type",
                                           "--tag",  "case=case",      "--batch", "5",
                                           "--store"};
  const auto into = [&](const std::string& name) {
    auto arguments = import;
    arguments.push_back(store(name));
    return arguments;
  };
  weir(into("whole.db"));
  const auto killed = start(into("killed.db"));
  int head = 0;
  while (head < 100) {
    const auto reader = start({"head", "--store", store("killed.db")});
    if (wait_for(reader) == 0) head = std::atoi(output().c_str());
  }
  ::kill(killed, SIGKILL);
  ASSERT_EQ(wait_for(killed), 128 + SIGKILL) << "the import ended before it could be killed";
  EXPECT_THAT(weir(into("killed.db")), HasSubstr("were there already"));
  weir({"export", path("whole.ndjson"), "--store", store("whole.db")});
  weir({"export", path("killed.ndjson"), "--store", store("killed.db")});
  const auto read = [&](const std::string& name) {
    std::stringstream content;
    content << std::ifstream(path(name)).rdbuf();
    return content.str();
  };
  // Only the times differ: without --time an event occurs when it is recorded.
  const auto without_times = [](std::string text) {
    for (std::size_t at = 0; (at = text.find(",\"occurredAt\"", at)) != std::string::npos;) {
      text.erase(at, text.find('}', at) - at);
    }
    return text;
  };
  EXPECT_TRUE(without_times(read("killed.ndjson")) == without_times(read("whole.ndjson")));
}

TEST_F(RealProgram, an_import_that_is_interrupted_says_how_far_it_came) {
  {
    std::ofstream csv(path("rows.csv"));
    csv << "type,n\n";
    for (int i = 0; i < 4000; ++i) csv << fmt::format("T,{}\n", i);
  }
  std::vector<std::string> import = {"import", path("rows.csv"), "--type",
                                     "type",   "--store",        store("a.db")};
  const auto whole = import;
  import.insert(import.end(), {"--batch", "1"});
  const auto interrupted = start(import);
  int head = 0;
  while (head < 10) {
    // Without start(), which would take over the file that the import writes to.
    const auto read = fmt::format("{} head --store {} > {} 2>&1", testing_support::built_program(),
                                  store("a.db"), path("head"));
    if (std::system(read.c_str()) != 0) continue;
    std::ifstream(path("head")) >> head;
  }
  ::kill(interrupted, SIGINT);
  EXPECT_EQ(wait_for(interrupted), 130);
  const auto said = output();
  const auto there = weir({"head", "--store", store("a.db")});
  EXPECT_THAT(said, HasSubstr(fmt::format("error: interrupted\n  {} of the events are in the log",
                                          there.substr(0, there.find('\n')))));
  EXPECT_THAT(weir(whole), HasSubstr("were there already"));
  EXPECT_EQ(weir({"head", "--store", store("a.db")}), "4000\n");
}

TEST_F(RealProgram, tail_follows_another_process_and_ends_cleanly_on_sigint) {
  weir({"append", "--type", "First", "--store", store("a.db")});
  const auto tail = start({"tail", "-n", "1", "--store", store("a.db")});
  while (output().find("First") == std::string::npos) ::usleep(1000);
  // Without start(), which would take over the file that the tail writes to.
  const auto append = fmt::format("{} append --type Second --store {} > /dev/null",
                                  testing_support::built_program(), store("a.db"));
  ASSERT_EQ(std::system(append.c_str()), 0);
  while (output().find("Second") == std::string::npos) ::usleep(1000);
  ::kill(tail, SIGINT);
  EXPECT_EQ(wait_for(tail), 0);
}

TEST_F(RealProgram, a_pipe_that_closes_ends_a_read_quietly) {
  for (int i = 0; i < 3; ++i) {
    weir({"append", "--type", "A", "--data", "\"" + std::string(90'000, 'x') + "\"", "--store",
          store("a.db")});
  }
  const auto read = fmt::format("bash -o pipefail -c '{} read --store {} 2>{} | head -c 10'",
                                testing_support::built_program(), store("a.db"), path("err"));
  EXPECT_EQ(std::system((read + " > /dev/null").c_str()), 0);
  EXPECT_EQ(std::filesystem::file_size(path("err")), 0U);
}

/// HOST:PORT at which nobody listens.
std::string dead_address() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
}

// It used to try for five seconds.
TEST_F(RealProgram, says_at_once_that_no_server_answers) {
  const auto began = system_clock().instant();
  const auto refused = weir({"append", "--type", "A", "--target", dead_address()}, 5);
  EXPECT_THAT(refused, HasSubstr("no server answers at 127.0.0.1:"));
  EXPECT_LT(system_clock().instant() - began, std::chrono::seconds(3));
}

TEST_F(RealProgram, waits_for_a_server_when_it_is_asked_to) {
  const auto address = dead_address();
  weir({"head", "--target", address, "--wait", "0.2"}, 5);
  const auto append = start({"append", "--type", "A", "--target", address, "--wait", "60"});
  // It has tried and failed by now, or will find the server up: both are fine.
  const auto server =
      start({"serve", "--store", store("a.db"), "--grpc", address, "--http", "127.0.0.1:0"});
  EXPECT_EQ(wait_for(append), 0);
  ::kill(server, SIGTERM);
  EXPECT_EQ(wait_for(server), 0);
  EXPECT_EQ(weir({"head", "--store", store("a.db")}), "1\n");
}

TEST_F(RealProgram, every_command_that_is_interrupted_before_it_is_done_says_so) {
  // A server that takes connections and says nothing.
  const int listens = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(::bind(listens, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listens, 16), 0);
  ASSERT_EQ(::getsockname(listens, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto target = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
  const std::vector<std::vector<std::string>> commands = {{"read"},
                                                          {"verify"},
                                                          {"tail"},
                                                          {"head"},
                                                          {"backup", path("copy.db")},
                                                          {"export"},
                                                          {"append", "--type", "A"},
                                                          {"bench", "append"}};
  for (auto command : commands) {
    for (const int signal : {SIGINT, SIGTERM}) {
      auto arguments = command;
      arguments.insert(arguments.end(), {"--target", target, "--wait", "60"});
      const auto child = start(arguments);
      const int connection = ::accept(listens, nullptr, nullptr);
      ::kill(child, signal);
      EXPECT_EQ(wait_for(child), 130) << command.front();
      EXPECT_EQ(output(), "error: interrupted\n") << command.front();
      ::close(connection);
    }
  }
  ::close(listens);
}

TEST_F(RealProgram, verify_names_what_was_changed_behind_its_back_and_exits_with_six) {
  for (int i = 0; i < 3; ++i) weir({"append", "--type", "A", "--store", store("a.db")});
  EXPECT_THAT(weir({"verify", "--store", store("a.db")}), HasSubstr("no damage"));
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path("a.db").c_str(), &database), SQLITE_OK);
  const auto* damage = "DELETE FROM event WHERE position = 2";
  EXPECT_EQ(sqlite3_exec(database, damage, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  EXPECT_THAT(weir({"verify", "--store", store("a.db")}, 6), HasSubstr("position 2"));
}

TEST_F(RealProgram, verify_names_what_contradicts_itself_or_is_gone) {
  const auto change = [this](const char* file, const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path(file).c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sql;
    sqlite3_close(database);
  };
  for (const auto* file : {"end.db", "table.db", "version.db"}) {
    for (const auto* key : {"k1", "k2", "k3"}) {
      weir({"append", "--type", "A", "--idempotency-key", key, "--store", store(file)});
    }
  }
  change("end.db", "DELETE FROM event WHERE position > 1");
  EXPECT_THAT(weir({"verify", "--store", store("end.db")}, 6),
              HasSubstr("events 2 to 3 are missing: key 'k3' was given to an append up to 3"));
  change("table.db", "DROP TABLE idempotency; DROP TABLE snapshot; DROP TABLE block");
  const auto found = weir({"verify", "--store", store("table.db")}, 6);
  for (const auto* part : {"'idempotency'", "'idempotency_age'", "'snapshot'", "'block'"}) {
    EXPECT_THAT(found, HasSubstr(fmt::format("{} is missing", part)));
  }
  change("version.db", "UPDATE meta SET value = 'x' WHERE key = 'schema_version'");
  EXPECT_THAT(weir({"verify", "--store", store("version.db")}, 6),
              HasSubstr("meta.schema_version is 0"));
}

TEST_F(RealProgram, a_file_that_lost_everything_is_damaged_and_not_made_a_store) {
  for (const auto* content : {"", "x"}) {
    std::ofstream(path("e.db")) << content;
    for (const auto* command : {"verify", "head", "export", "list"}) {
      std::vector<std::string> typed{command, "--store", store("e.db")};
      if (typed[0] == "list") typed.insert(typed.begin(), "log");
      weir(typed, 6);
      EXPECT_EQ(std::filesystem::file_size(path("e.db")), std::string_view(content).size());
    }
  }
}

TEST_F(RealProgram, a_missing_event_is_damage_for_whoever_reads_the_log) {
  for (int i = 0; i < 3; ++i) weir({"append", "--type", "A", "--store", store("a.db")});
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path("a.db").c_str(), &database), SQLITE_OK);
  const auto* damage = "DELETE FROM event WHERE position = 2";
  EXPECT_EQ(sqlite3_exec(database, damage, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  weir({"read", "--store", store("a.db")}, 6);
  weir({"read", "--backwards", "--store", store("a.db")}, 6);
  weir({"export", "--store", store("a.db")}, 6);
  EXPECT_THAT(weir({"read", "--after", "2", "--json", "--store", store("a.db")}),
              HasSubstr("\"position\":3"));
}

TEST_F(RealProgram, export_writes_into_what_is_no_regular_file_and_behind_links) {
  weir({"append", "--type", "A", "--store", store("a.db")});
  const auto whole = weir({"export", "--store", store("a.db")});
  std::ofstream(path("target")) << "old";
  std::filesystem::create_symlink("target", path("link"));
  std::filesystem::create_symlink("new-target", path("dangling"));
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  // Holds the other end open, and what is written fits into a pipe.
  const int pipe = ::open(path("pipe").c_str(), O_RDWR);
  for (const auto* name : {"link", "dangling", "pipe"}) {
    weir({"export", path(name), "--store", store("a.db")});
  }
  for (const auto* name : {"target", "new-target"}) {
    std::ifstream file(path(name));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), whole) << name;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("dangling")));
  std::string got(whole.size(), '\0');
  EXPECT_EQ(::read(pipe, got.data(), got.size()), static_cast<ssize_t>(whole.size()));
  EXPECT_EQ(got, whole);
  ::close(pipe);
}

TEST_F(RealProgram, the_log_default_of_a_new_store_may_have_indexed_keys) {
  weir({"log", "create", "default", "--index", "book", "--store", store("i.db")});
  EXPECT_THAT(weir({"log", "list", "--json", "--store", store("i.db")}),
              HasSubstr("\"indexedKeys\":[\"book\"]"));
  weir({"log", "create", "default", "--index", "book", "--store", store("i.db")});
  weir({"log", "create", "default", "--index", "reader", "--store", store("i.db")}, 1);
  weir({"log", "create", "twice", "--index", "a", "--index", "a", "--store", store("i.db")}, 2);
}

TEST_F(RealProgram, verify_says_of_a_file_that_is_no_store_what_it_is_and_no_more) {
  std::ofstream(path("g.db")) << "garbage that is longer than a few bytes, but no database at all";
  EXPECT_EQ(weir({"verify", "--store", store("g.db")}, 6),
            fmt::format("damaged: '{}' is no SQLite database, or its beginning is damaged\n"
                        "0 events read, all 0 index terms compared: 1 damages found\n",
                        path("g.db")));
}

TEST_F(RealProgram, runs_with_closed_standard_files_and_says_so_of_those_that_cannot_be_written) {
  shell("head --store sqlite:none.db 2>&-", 4);
  shell("append --store sqlite:a.db --type A <&- >&- 2>&-");
  std::ofstream(path("rows.csv")) << "t\nB\n";
  shell("import rows.csv --type t --store sqlite:a.db <&- >&- 2>&-");
  EXPECT_EQ(weir({"head", "--store", store("a.db")}), "2\n");
  shell("head --store sqlite:none.db 2>/dev/full", 4);
  shell("append --no-such-option 2>/dev/full", 2);
  shell("append --store sqlite:b.db --type A 2>/dev/full");
  for (const auto* asked : {"--help", "--version", "read --help"}) {
    EXPECT_THAT(shell(asked + std::string(" >/dev/full"), 1), HasSubstr("No space left"));
  }
}

TEST_F(RealProgram, refuses_a_port_that_is_none_instead_of_listening_on_another) {
  for (const auto* address : {"127.0.0.1:99999", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1"}) {
    EXPECT_THAT(
        weir({"serve", "--store", store("a.db"), "--grpc", address, "--http", "127.0.0.1:0"}, 2),
        HasSubstr("port from 0 to 65535"));
  }
}

}  // namespace
}  // namespace weir::cli
