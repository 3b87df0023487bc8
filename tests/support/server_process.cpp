#include <tests/support/server_process.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include <weir/store/remote/client.hpp>

namespace weir::testing_support {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "weir serve for the tests: {}\n", what);
  std::abort();
}

void require(bool condition, const std::string& what) {
  if (!condition) fail(what);
}

/// Starts the program with its standard output and error going to these descriptors.
pid_t start(const std::string& program, const std::vector<std::string>& arguments, int out,
            int error, const std::vector<std::string>& environment = {}) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> variables;
  for (const auto& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  for (char** of = environ; *of != nullptr; ++of) variables.push_back(*of);
  variables.push_back(nullptr);
  const auto parent = getpid();
  const auto child = fork();
  require(child >= 0, "can't fork");
  if (child > 0) return child;
  // Only what is safe after a fork of a program with threads.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(out, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  execve(program.c_str(), argv.data(), variables.data());
  _exit(127);
}

int exit_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string member(const std::string& json, const std::string& name) {
  const auto key = "\"" + name + "\":\"";
  const auto from = json.find(key);
  require(from != std::string::npos, fmt::format("no '{}' in: {}", name, json));
  const auto begin = from + key.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

/// A line of the pipe, or what came before it was closed.
std::string read_line(int pipe) {
  std::string line;
  char byte = 0;
  pollfd readable{.fd = pipe, .events = POLLIN, .revents = 0};
  while (poll(&readable, 1, 30'000) == 1 && read(pipe, &byte, 1) == 1 && byte != '\n') line += byte;
  return line;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string temporary_file() {
  auto pattern = (std::filesystem::temp_directory_path() / "weir-out-XXXXXX").string();
  const int file = mkstemp(pattern.data());
  require(file >= 0, "no temporary file");
  close(file);
  return pattern;
}

}  // namespace

Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment) {
  const auto path = temporary_file();
  const int out = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const auto child = start(program, arguments, out, out, environment);
  close(out);
  int status = 0;
  require(waitpid(child, &status, 0) == child, "can't wait for " + program);
  Finished finished{.exit = exit_of(status), .output = read_file(path)};
  std::filesystem::remove(path);
  return finished;
}

pid_t start_program(const std::string& program, const std::vector<std::string>& arguments) {
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  require(nowhere >= 0, "can't open /dev/null");
  const auto child = start(program, arguments, nowhere, nowhere);
  close(nowhere);
  return child;
}

ServerProcess::ServerProcess(const Options& options) : log_file_(temporary_file()) {
  std::vector<std::string> arguments = {"serve",  "--json",     "--store", options.store,
                                        "--grpc", options.grpc, "--http",  options.http};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::array<int, 2> pipe{};
  require(pipe2(pipe.data(), O_CLOEXEC) == 0, "no pipe");
  const int error = open(log_file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  process_ = start(options.program, arguments, pipe[1], error, options.environment);
  close(pipe[1]);
  close(error);
  const auto line = read_line(pipe[0]);
  close(pipe[0]);
  require(line.starts_with('{'), fmt::format("it did not start: {}\n{}", line, log()));
  grpc_ = member(line, "grpc");
  http_ = member(line, "http");
}

ServerProcess::~ServerProcess() {
  kill();
  std::filesystem::remove(log_file_);
}

std::uint16_t ServerProcess::http_port() const {
  return static_cast<std::uint16_t>(std::stoi(http_.substr(http_.rfind(':') + 1)));
}

std::string ServerProcess::log() const {
  return read_file(log_file_);
}

void ServerProcess::signal(int number) {
  if (process_ > 0) ::kill(process_, number);
}

std::optional<int> ServerProcess::wait(std::chrono::milliseconds at_most) {
  require(process_ > 0, "it does not run");
  const auto until = std::chrono::steady_clock::now() + at_most;
  int status = 0;
  while (true) {
    const auto ended = waitpid(process_, &status, WNOHANG);
    require(ended >= 0, "can't wait for it");
    if (ended == process_) break;
    if (std::chrono::steady_clock::now() >= until) return std::nullopt;
    std::this_thread::sleep_for(1ms);
  }
  process_ = -1;
  return exit_of(status);
}

void ServerProcess::kill() {
  if (process_ <= 0) return;
  signal(SIGKILL);
  require(wait(30s).has_value(), "it can't be killed");
}

std::shared_ptr<EventStore> ServerProcess::connect(const remote::Credentials& credentials) const {
  auto catalog = remote::connect({.target = grpc_, .credentials = credentials});
  require(catalog.ok(), catalog ? "" : to_string(catalog.error()));
  auto log = (*catalog)->open("default");
  require(log.ok(), log ? "" : to_string(log.error()));
  return *log;
}

std::size_t ServerProcess::memory() const {
  std::ifstream status(fmt::format("/proc/{}/status", process_));
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

}  // namespace weir::testing_support
