#include <tests/support/child_process.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

namespace weir::testing_support {
namespace {

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "a server for the tests: {}\n", what);
  std::abort();
}

void require(bool condition, const char* what) {
  if (!condition) fail(what);
}

}  // namespace

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  require(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0, "no free port");
  require(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "no free port");
  close(fd);
  return ntohs(address.sin_port);
}

const passwd* server_user() {
  if (geteuid() != 0) return nullptr;
  const auto* user = getpwnam("postgres");
  if (user == nullptr) fail("there is no user 'postgres' to run the server as");
  return user;
}

std::string server_folder(const std::string& parent) {
  const auto in = parent.empty() ? std::filesystem::temp_directory_path().string() : parent;
  auto folder = in + "/weir-server-XXXXXX";
  require(mkdtemp(folder.data()) != nullptr, "no temporary folder");
  if (const auto* user = server_user(); user != nullptr) {
    require(chown(folder.c_str(), user->pw_uid, user->pw_gid) == 0, "chown failed");
  }
  return folder;
}

pid_t start_server(const std::vector<std::string>& command, const std::string& folder) {
  const auto* user = server_user();
  const auto parent = getpid();
  const auto log = folder + "/log";
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  require(child >= 0, "fork failed");
  if (child > 0) return child;
  if (user != nullptr && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (getppid() != parent || chdir(folder.c_str()) != 0) _exit(126);
  if (freopen(log.c_str(), "a", stdout) == nullptr || dup2(1, 2) < 0) _exit(126);
  execv(arguments[0], arguments.data());
  _exit(127);
}

int wait_for(pid_t process) {
  int status = 0;
  require(waitpid(process, &status, 0) == process, "waitpid failed");
  return status;
}

}  // namespace weir::testing_support
