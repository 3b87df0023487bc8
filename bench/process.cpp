#include <bench/process.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>
#include <boost/json.hpp>

namespace weir::bench {
namespace {

Result<std::string> read_line(int file) {
  std::string line;
  char c = 0;
  while (true) {
    const auto got = ::read(file, &c, 1);
    if (got <= 0) return unavailable("the server ended before it was ready");
    if (c == '\n') return line;
    line += c;
  }
}

}  // namespace

Result<std::unique_ptr<ServerProcess>> ServerProcess::start(
    const std::vector<std::string>& command) {
  int ends[2];
  if (pipe(ends) != 0) return unavailable("no pipe");
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const auto parent = getpid();
  const auto process = fork();
  if (process < 0) return unavailable("fork failed");
  if (process == 0) {
    // It goes when this program does, however that ends.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(ends[1], 1) < 0) _exit(126);
    close(ends[0]);
    close(ends[1]);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  auto line = read_line(ends[0]);
  std::unique_ptr<ServerProcess> server(
      new ServerProcess(process, ends[0], line ? *line : std::string()));
  if (!line) return line.error();
  return server;
}

ServerProcess::~ServerProcess() {
  kill(process_, SIGTERM);
  int status = 0;
  waitpid(process_, &status, 0);
  close(output_);
}

Result<double> ServerProcess::resident_mib() const {
  std::ifstream status(fmt::format("/proc/{}/status", process_));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return unavailable("the server's memory can't be seen");
}

Result<WeirServer> serve(const std::string& program, const std::string& store,
                         const std::vector<std::string>& environment) {
  std::vector<std::string> command = {"/usr/bin/env"};
  command.insert(command.end(), environment.begin(), environment.end());
  for (const auto* word : {"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>/dev/null"}) {
    command.emplace_back(word);
  }
  for (const auto& word : {program, std::string("serve"), std::string("--store"), store}) {
    command.push_back(word);
  }
  for (const auto* word : {"--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"}) {
    command.emplace_back(word);
  }
  WEIR_TRY_ASSIGN(process, ServerProcess::start(command));
  boost::json::error_code error;
  const auto line = boost::json::parse(process->first_line(), error);
  if (error || !line.is_object() || !line.get_object().contains("grpc")) {
    return unavailable("weir serve printed no address");
  }
  auto target = std::string(line.get_object().at("grpc").as_string());
  return WeirServer{.process = std::move(process), .target = std::move(target)};
}

}  // namespace weir::bench
