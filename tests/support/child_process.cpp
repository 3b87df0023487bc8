#include <tests/support/child_process.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>

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

const std::string memory = "/dev/shm";
const std::string server_folder_prefix = "weir-server-";

/// Both in the file system and in memory itself: containers are often given 64 MB of the former.
bool has_room(const std::string& folder) {
  constexpr std::uint64_t enough = 4ULL << 30;
  struct statvfs files {};
  if (statvfs(folder.c_str(), &files) != 0) return false;
  if (std::uint64_t{files.f_bavail} * files.f_frsize < enough) return false;
  std::ifstream information("/proc/meminfo");
  std::string name;
  while (information >> name) {
    std::uint64_t kilobytes = 0;
    if (name == "MemAvailable:") return information >> kilobytes && kilobytes * 1024 >= enough;
    information.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return false;
}

/// Whoever uses a folder has a lock on it, from before there is anything in it.
void remove_abandoned() {
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(memory, gone)) {
    if (!entry.path().filename().string().starts_with(server_folder_prefix)) continue;
    const int lock = open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0) continue;
    const bool abandoned =
        flock(lock, LOCK_EX | LOCK_NB) == 0 && !std::filesystem::is_empty(entry.path(), gone);
    if (abandoned) std::filesystem::remove_all(entry.path(), gone);
    close(lock);
  }
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
  auto folder = in + "/" + server_folder_prefix + "XXXXXX";
  require(mkdtemp(folder.data()) != nullptr, "no temporary folder");
  if (const auto* user = server_user(); user != nullptr) {
    require(chown(folder.c_str(), user->pw_uid, user->pw_gid) == 0, "chown failed");
  }
  return folder;
}

std::string server_folder_in_memory() {
  if (!has_room(memory)) return server_folder();
  remove_abandoned();
  auto folder = server_folder(memory);
  // Held for as long as this program lives.
  const int lock = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  require(lock >= 0 && flock(lock, LOCK_SH) == 0, "the folder cannot be locked");
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
