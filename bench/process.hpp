#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include <weir/base/result.hpp>

namespace weir::bench {

/// A server in a process of its own, which prints one line when it is ready and ends on SIGTERM.
/// Threads: one at a time. Ended, by its process id, when destroyed.
class ServerProcess {
 public:
  static Result<std::unique_ptr<ServerProcess>> start(const std::vector<std::string>& command);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& first_line() const { return first_line_; }
  /// Memory that it has in RAM (VmRSS).
  Result<double> resident_mib() const;

 private:
  ServerProcess(pid_t process, int output, std::string first_line)
      : process_(process), output_(output), first_line_(std::move(first_line)) {}

  pid_t process_;
  int output_;
  std::string first_line_;
};

/// `weir serve` of a store on free ports; what it logs is thrown away. `environment`: "NAME=VALUE".
struct WeirServer {
  std::unique_ptr<ServerProcess> process;
  /// HOST:PORT of gRPC.
  std::string target;
};
Result<WeirServer> serve(const std::string& program, const std::string& store,
                         const std::vector<std::string>& environment = {});

}  // namespace weir::bench
