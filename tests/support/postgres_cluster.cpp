#include <tests/support/postgres_cluster.hpp>

#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include <tests/support/child_process.hpp>

namespace weir::testing_support {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "PostgreSQL for the tests: {}\n", what);
  std::abort();
}

std::string binaries() {
  for (const auto* folder :
       {"/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin"}) {
    if (std::filesystem::exists(std::string(folder) + "/initdb")) return folder;
  }
  fail("no initdb in /usr/lib/postgresql/*/bin; install the package postgresql-15");
}

/// What initdb makes, once for the whole test program: to copy it takes a tenth of the time.
class NewData {
 public:
  static const std::string& folder() {
    static const NewData made;
    return made.data_;
  }
  ~NewData() {
    std::error_code ignored_since_temporary;
    std::filesystem::remove_all(folder_, ignored_since_temporary);
  }

 private:
  NewData() {
    const auto initdb = binaries() + "/initdb";
    const auto status = wait_for(start_server({initdb, "-D", data_, "-U", "weir", "--auth=trust",
                                               "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"},
                                              folder_));
    if (status != 0) fail(initdb + " failed, see " + folder_ + "/log");
  }
  const std::string folder_ = server_folder_in_memory();
  const std::string data_ = folder_ + "/data";
};

struct Connection {
  explicit Connection(const std::string& uri) : raw(PQconnectdb(uri.c_str())) {}
  /// Waits until the server has let go of it, which until then counts it among those it may have.
  ~Connection() {
    if (ok()) {
      pollfd answer = {.fd = PQsocket(raw), .events = POLLIN, .revents = 0};
      shutdown(answer.fd, SHUT_WR);
      std::array<char, 256> rest;
      while (poll(&answer, 1, 10'000) == 1 && recv(answer.fd, rest.data(), rest.size(), 0) > 0) {
      }
    }
    PQfinish(raw);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  bool ok() const { return PQstatus(raw) == CONNECTION_OK; }
  PGconn* raw;
};

}  // namespace

PostgresCluster& PostgresCluster::shared() {
  static const std::unique_ptr<PostgresCluster> cluster = [] {
    const char* uri = std::getenv("WEIR_TEST_POSTGRES");
    return std::unique_ptr<PostgresCluster>(uri != nullptr && *uri != '\0'
                                                ? new PostgresCluster(Foreign(), uri)
                                                : new PostgresCluster(Options()));
  }();
  return *cluster;
}

PostgresCluster::PostgresCluster(Foreign, const std::string& uri) : admin_uri_(uri) {
  const Connection connection(uri);
  if (!connection.ok()) fail(uri + ": " + PQerrorMessage(connection.raw));
  host_ = PQhost(connection.raw);
  port_ = std::atoi(PQport(connection.raw));
  user_ = PQuser(connection.raw);
}

std::vector<std::string> PostgresCluster::making() const {
  const auto* primary = options_.replica_of;
  if (primary == nullptr) return {"/bin/cp", "-a", NewData::folder(), folder_ + "/data"};
  return {binaries() + "/pg_basebackup",
          "-D",
          folder_ + "/data",
          "--write-recovery-conf",
          "--checkpoint=fast",
          "--no-sync",
          "-d",
          fmt::format("host={} port={} user=weir application_name={}", primary->host_,
                      primary->port_, options_.replica_name)};
}

PostgresCluster::PostgresCluster(Options options) : options_(std::move(options)) {
  const bool in_memory = options_.folder.empty() && !options_.fsync;
  folder_ = in_memory ? server_folder_in_memory() : server_folder(options_.folder);
  const auto status = wait_for(start_server(making(), folder_));
  if (status != 0) fail(making().front() + " failed, see " + folder_ + "/log");
  port_ = free_port();
  admin_uri_ = fmt::format("postgres://{}@{}:{}/postgres", user_, host_, port_);
  start();
}

PostgresCluster::~PostgresCluster() {
  if (process_ > 0) {
    thaw();
    ::kill(process_, SIGQUIT);
    wait_for(process_);
  }
  std::error_code ignored_since_temporary;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored_since_temporary);
}

void PostgresCluster::start() {
  const auto* sync = options_.fsync ? "on" : "off";
  std::vector<std::string> command = {binaries() + "/postgres",
                                      "-D",
                                      folder_ + "/data",
                                      "-p",
                                      std::to_string(port_),
                                      "-k",
                                      folder_,
                                      "-c",
                                      "listen_addresses=127.0.0.1",
                                      "-c",
                                      fmt::format("fsync={}", sync),
                                      "-c",
                                      fmt::format("full_page_writes={}", sync),
                                      "-c",
                                      "max_connections=200",
                                      "-c",
                                      "shared_buffers=128MB",
                                      "-c",
                                      "dynamic_shared_memory_type=mmap",
                                      "-c",
                                      "log_min_messages=warning"};
  for (const auto& setting : options_.settings) {
    command.push_back("-c");
    command.push_back(setting);
  }
  process_ = start_server(command, folder_);
  wait_until_ready();
}

void PostgresCluster::wait_until_ready() {
  for (int attempt = 0; attempt < 3000; ++attempt) {
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) == process_) {
      fail("the server ended at once, see " + folder_ + "/log");
    }
    const Connection connection(admin_uri_);
    if (connection.ok()) return;
    std::this_thread::sleep_for(10ms);
  }
  fail("the server did not get ready, see " + folder_ + "/log");
}

void PostgresCluster::stop() {
  ::kill(process_, SIGINT);
  wait_for(process_);
  process_ = -1;
}

void PostgresCluster::kill() {
  // All at once, as a machine dies. Those that notice the death of the first would do more before
  // they end, such as showing others what waits for a replica.
  freeze();
  for (const auto process : frozen_) ::kill(process, SIGKILL);
  frozen_.clear();
  wait_for(process_);
  process_ = -1;
  const auto lock = folder_ + "/data/postmaster.pid";
  std::filesystem::remove(lock);
}

/// The first of them and its children.
std::vector<pid_t> PostgresCluster::processes() const {
  std::vector<pid_t> found = {process_};
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // "pid (name) state parent ...", of one that may just have gone.
    std::ifstream stat(entry.path() / "stat");
    std::string text;
    std::getline(stat, text);
    const auto behind = text.rfind(')');
    char state = 0;
    pid_t parent = -1;
    if (behind == std::string::npos) continue;
    std::istringstream(text.substr(behind + 1)) >> state >> parent;
    if (parent == process_) found.push_back(std::atoi(name.c_str()));
  }
  return found;
}

void PostgresCluster::freeze() {
  // The first goes first, so that it makes no others meanwhile.
  ::kill(process_, SIGSTOP);
  frozen_ = processes();
  for (const auto process : frozen_) ::kill(process, SIGSTOP);
}

void PostgresCluster::thaw() {
  for (const auto process : frozen_) ::kill(process, SIGCONT);
  frozen_.clear();
}

std::string PostgresCluster::new_database() {
  static std::atomic<int> count = 0;
  const auto name = fmt::format("weir_test_{}_{}", getpid(), ++count);
  // Without a disk to wait for, to copy the files takes half of the time that it takes to log what
  // is in them.
  const auto* strategy = process_ > 0 && !options_.fsync ? "file_copy" : "wal_log";
  run_sql(admin_uri_,
          fmt::format("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' STRATEGY {}", name,
                      strategy));
  return fmt::format("postgres://{}@{}:{}/{}", user_, host_, port_, name);
}

void PostgresCluster::promote() {
  if (run_sql(admin_uri_, "SELECT pg_promote(true, 60)") != "t") fail("it was not promoted");
}

void PostgresCluster::wait_for_replica(const std::string& name) {
  run_sql(admin_uri_, "ALTER SYSTEM SET synchronous_standby_names = '" + name + "'");
  run_sql(admin_uri_, "SELECT pg_reload_conf()");
  for (int attempt = 0; attempt < 600; ++attempt) {
    if (run_sql(admin_uri_,
                "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
                " AND application_name = '" +
                    name + "'") == "1") {
      // It is the checkpointer that has commits wait, as soon as it has read the setting too, which
      // it does before each checkpoint.
      for (int i = 0; i < 2; ++i) run_sql(admin_uri_, "CHECKPOINT");
      return;
    }
    std::this_thread::sleep_for(50ms);
  }
  fail("the replica '" + name + "' does not follow");
}

void PostgresCluster::drop_database(const std::string& uri) {
  run_sql(admin_uri_, "DROP DATABASE " + uri.substr(uri.rfind('/') + 1) + " WITH (FORCE)");
}

TestDatabase::~TestDatabase() {
  PostgresCluster::shared().drop_database(uri);
}

std::string run_sql(const std::string& uri, const std::string& sql) {
  const Connection connection(uri);
  if (!connection.ok()) fail(uri + ": " + PQerrorMessage(connection.raw));
  auto* result = PQexec(connection.raw, sql.c_str());
  const auto status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    fail(sql + ": " + PQresultErrorMessage(result));
  }
  std::string value;
  if (PQntuples(result) > 0 && PQnfields(result) > 0) value = PQgetvalue(result, 0, 0);
  PQclear(result);
  return value;
}

std::string with_address(const std::string& uri, const std::string& host, int port) {
  const auto at = uri.find('@');
  const auto path = uri.find('/', at);
  return fmt::format("{}@{}:{}{}", uri.substr(0, at), host, port, uri.substr(path));
}

}  // namespace weir::testing_support
