#include <tests/support/pooler.hpp>

#include <libpq-fe.h>
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include <tests/support/child_process.hpp>

namespace weir::testing_support {

using namespace std::chrono_literals;

Pooler::Pooler(const PostgresCluster& cluster, const std::string& mode, int size)
    : folder_(server_folder()), port_(free_port()) {
  const auto file = [this](const char* name) { return folder_ + "/" + name; };
  std::ofstream(file("users")) << "\"weir\" \"\"\n";
  std::ofstream(file("pgbouncer.ini")) << fmt::format(
      "[databases]\n* = host={} port={}\n"
      "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n"
      "auth_type = trust\nauth_file = {}\npool_mode = {}\ndefault_pool_size = {}\n"
      "max_client_conn = 500\n",
      cluster.host(), cluster.port(), port_, file("users"), mode, size);
  process_ = start_server({"/usr/sbin/pgbouncer", file("pgbouncer.ini")}, folder_);
  const auto uri = fmt::format("postgres://weir@127.0.0.1:{}/postgres", port_);
  for (int i = 0; i < 1000; ++i) {
    auto* connection = PQconnectdb(uri.c_str());
    const bool ready = PQstatus(connection) == CONNECTION_OK;
    PQfinish(connection);
    if (ready) return;
    std::this_thread::sleep_for(10ms);
  }
  fmt::print(stderr, "PgBouncer for the tests did not get ready, see {}\n", file("log"));
  std::abort();
}

Pooler::~Pooler() {
  ::kill(process_, SIGQUIT);  // at once
  wait_for(process_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Pooler::by_way_of(const std::string& uri) const {
  return with_address(uri, "127.0.0.1", port_);
}

}  // namespace weir::testing_support
