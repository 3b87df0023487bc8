#pragma once

#include <sys/types.h>

#include <string>

#include <tests/support/postgres_cluster.hpp>

namespace weir::testing_support {

/// A PgBouncer in front of a cluster, on a free port, for all databases and users. Stopped by its
/// process id, and removed, when destroyed.
/// Threads: one at a time. What goes wrong ends the test program with a message.
class Pooler {
 public:
  /// `mode`: "session" or "transaction". Connections to the server at most, of each database.
  Pooler(const PostgresCluster& cluster, const std::string& mode, int size);
  ~Pooler();
  Pooler(const Pooler&) = delete;
  Pooler& operator=(const Pooler&) = delete;

  /// The same database by way of it.
  std::string by_way_of(const std::string& uri) const;

 private:
  std::string folder_;
  int port_ = 0;
  pid_t process_ = -1;
};

}  // namespace weir::testing_support
