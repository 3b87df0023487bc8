#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::testing_support {

/// A throw-away PostgreSQL server for tests, in a temporary folder and on a free port, with the
/// distribution's binaries. Stopped by its process id, and removed, when destroyed.
/// Threads: any, but for start(), stop() and kill(). What goes wrong ends the test program with a
/// message.
class PostgresCluster {
 public:
  struct Options {
    /// Whether a commit waits for the disk. Off is faster and fine unless durability is the point.
    bool fsync = false;
    /// Further "name=value" settings.
    std::vector<std::string> settings = {};
    /// Where the server's own folder is made. Default: in memory where there is room and fsync is
    /// off, else where temporary files go.
    std::string folder = {};
    /// Make it a streaming replica of that cluster, which must run; known there as replica_name.
    const PostgresCluster* replica_of = nullptr;
    std::string replica_name = "replica";
  };

  /// One for the whole test program, made when first asked for; or the server that the environment
  /// variable WEIR_TEST_POSTGRES names (an URI of a superuser).
  static PostgresCluster& shared();

  explicit PostgresCluster(Options options);
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  /// The URI of an empty database of its own.
  std::string new_database();
  void drop_database(const std::string& uri);
  std::string host() const { return host_; }
  int port() const { return port_; }

  /// Only for a cluster of the test's own.
  /// Makes a replica a primary; it is one when this returns.
  void promote();
  /// From now on a commit here is answered once the replica of that name has it on disk too.
  void wait_for_replica(const std::string& name);
  void start();
  void stop();
  /// As if the power had gone, but for what the system keeps in memory.
  void kill();
  /// All its processes stand still, with their connections open, until thaw().
  void freeze();
  bool stopped() const { return process_ < 0; }
  void thaw();

 private:
  struct Foreign {};
  std::vector<std::string> making() const;
  PostgresCluster(Foreign, const std::string& uri);
  void wait_until_ready();
  std::vector<pid_t> processes() const;

  Options options_;
  std::string folder_;
  std::string user_ = "weir";
  std::string host_ = "127.0.0.1";
  std::string admin_uri_;
  int port_ = 0;
  pid_t process_ = -1;
  std::vector<pid_t> frozen_;
};

/// A database of the shared cluster that goes with this.
struct TestDatabase {
  std::string uri = PostgresCluster::shared().new_database();
  TestDatabase() = default;
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
};

/// Runs one statement or script and gives the first column of its first row, empty when there is
/// none. Ends the test program when it fails.
std::string run_sql(const std::string& uri, const std::string& sql);

/// The same database by way of another host and port.
std::string with_address(const std::string& uri, const std::string& host, int port);

}  // namespace weir::testing_support
