#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/store/event_store.hpp>
#include <weir/store/remote/credentials.hpp>

namespace weir::testing_support {

struct Finished {
  /// Exit code; 128 + the signal's number when a signal ended it.
  int exit = 0;
  /// Standard output and standard error together.
  std::string output;
};

/// Runs the program with arguments to its end, with variables ("NAME=VALUE") beside what the test
/// program has.
Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment = {});

/// Starts the program, with its output thrown away; the caller waits for it with waitpid().
pid_t start_program(const std::string& program, const std::vector<std::string>& arguments);

/// A `weir serve` in a process of its own.
/// Threads: one at a time. What goes wrong ends the test program with a message.
class ServerProcess {
 public:
  struct Options {
    std::string program;
    std::string store;
    /// Port 0: any free one.
    std::string grpc = "127.0.0.1:0";
    std::string http = "127.0.0.1:0";
    std::vector<std::string> arguments = {};
    /// "NAME=VALUE", beside what the test program has.
    std::vector<std::string> environment = {};
  };

  /// Listens when it returns.
  explicit ServerProcess(const Options& options);
  /// Kills it if it still runs.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& grpc() const { return grpc_; }
  const std::string& http() const { return http_; }
  std::uint16_t http_port() const;
  pid_t id() const { return process_; }
  /// What it has written to standard error.
  std::string log() const;

  void signal(int number);
  /// Waits until it has ended; nothing when it still runs after so long.
  std::optional<int> wait(std::chrono::milliseconds at_most);
  void kill();

  /// A client of its own connection, with the default log open.
  std::shared_ptr<EventStore> connect(const remote::Credentials& credentials = {}) const;

  /// Resident memory in bytes.
  std::size_t memory() const;

 private:
  std::string grpc_;
  std::string http_;
  std::string log_file_;
  pid_t process_ = -1;
};

}  // namespace weir::testing_support
