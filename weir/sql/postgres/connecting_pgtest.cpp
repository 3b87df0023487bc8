#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <tests/support/cut_proxy.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/sql/postgres/errors.hpp>
#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;
using weir::testing_support::PostgresCluster;
using weir::testing_support::run_sql;

class Connecting : public ::testing::Test {
 protected:
  /// The database by way of these hosts.
  std::string at(const std::string& hosts) const {
    return "postgres://weir@" + hosts + uri.substr(uri.rfind('/'));
  }
  std::string here() const {
    return fmt::format("{}:{}", PostgresCluster::shared().host(), PostgresCluster::shared().port());
  }
  static Result<std::unique_ptr<Session>> connect(ConnectOptions options) {
    return Session::connect(options, system_clock(), {});
  }

  const std::string uri = PostgresCluster::shared().new_database();
};

TEST_F(Connecting, tries_the_next_host_when_one_does_not_listen) {
  const auto session = connect({.uri = at("127.0.0.1:1," + here()), .role = Role::primary});
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ((*session)->target().port, std::to_string(PostgresCluster::shared().port()));
}

TEST_F(Connecting, tries_the_next_host_when_one_does_not_answer) {
  const int silent = weir::testing_support::silent_listener();
  const auto hosts = fmt::format("127.0.0.1:{},{}", weir::testing_support::port_of(silent), here());
  const auto known = Hosts::of(at(hosts)).value();
  const ConnectOptions options{
      .uri = at(hosts), .hosts = known, .role = Role::primary, .connect_time_max = 100ms};
  const auto began = system_clock().instant();
  ASSERT_TRUE(connect(options));
  EXPECT_GE(system_clock().instant() - began, 100ms);
  // From now on the detour is spared.
  EXPECT_EQ(known->order().front(), 1u);
  ASSERT_TRUE(connect(options));
}

TEST_F(Connecting, names_every_host_when_none_will_do) {
  const auto nobody = connect({.uri = at("127.0.0.1:1,127.0.0.1:2"), .role = Role::primary});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, Code::unavailable);
  EXPECT_NE(nobody.error().message.find("no primary among the hosts"), std::string::npos);
  EXPECT_NE(nobody.error().message.find("port 2 failed"), std::string::npos)
      << nobody.error().message;
}

TEST_F(Connecting, refuses_a_server_that_is_not_a_replica_when_one_is_wanted) {
  const auto session = connect({.uri = uri, .role = Role::replica});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Code::unavailable);
  EXPECT_NE(session.error().message.find("is not a replica"), std::string::npos);
}

TEST_F(Connecting, refuses_a_server_that_takes_no_writes_when_a_primary_is_wanted) {
  const auto database = uri.substr(uri.rfind('/') + 1);
  run_sql(uri, "ALTER DATABASE " + database + " SET default_transaction_read_only = on");
  const auto session = connect({.uri = uri, .role = Role::primary});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Code::unavailable);
  EXPECT_TRUE(connect({.uri = uri}));
}

TEST_F(Connecting, tells_that_the_server_has_no_connection_left_and_when_to_try_again) {
  PostgresCluster cluster(
      {.settings = {"max_connections=4", "superuser_reserved_connections=0", "max_wal_senders=0"}});
  const auto database = cluster.new_database();
  std::vector<std::unique_ptr<Session>> sessions;
  std::optional<Error> refused;
  while (!refused && sessions.size() < 10) {
    auto session = connect({.uri = database});
    if (session) {
      sessions.push_back(std::move(*session));
    } else {
      refused = session.error();
    }
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(sessions.size(), 4u);
  EXPECT_TRUE(has_sqlstate(*refused, "53300")) << refused->message;
  EXPECT_EQ(refused->code, Code::unavailable);
  EXPECT_EQ(refused->retry_after, 1000ms);
  EXPECT_EQ(refused->message, "PostgreSQL: sorry, too many clients already");
}

TEST_F(Connecting, tells_that_there_is_no_such_database) {
  const auto session = connect({.uri = uri + "_not"});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Code::unavailable) << session.error().message;
  EXPECT_TRUE(has_sqlstate(session.error(), "3D000"));
}

/// The descriptors of this process that are connected to the port.
std::vector<int> sockets_to(int port) {
  std::vector<int> found;
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
        peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) {
      found.push_back(fd);
    }
  }
  return found;
}

int option(int socket, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(socket, level, name, &value, &size), 0);
  return value;
}

TEST_F(Connecting, has_the_system_find_a_host_that_has_gone) {
  const auto port = PostgresCluster::shared().port();
  const auto before = sockets_to(port).size();
  const auto session = connect({.uri = uri}).value();
  const auto sockets = sockets_to(port);
  ASSERT_EQ(sockets.size(), before + 1);
  EXPECT_EQ(option(sockets.back(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(sockets.back(), IPPROTO_TCP, TCP_KEEPIDLE), 10);
  EXPECT_EQ(option(sockets.back(), IPPROTO_TCP, TCP_KEEPINTVL), 3);
  EXPECT_EQ(option(sockets.back(), IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option(sockets.back(), IPPROTO_TCP, TCP_USER_TIMEOUT), 10'000);
}

/// A server whose host loses its power.
class BlackHole : public Connecting {
 protected:
  std::unique_ptr<Session> connect_through(const sql::TcpOptions& tcp) {
    return connect({.uri = weir::testing_support::with_address(uri, "127.0.0.1", proxy.port()),
                    .command_timeout = 0ms,
                    .tcp = tcp})
        .value();
  }

  weir::testing_support::CutProxy proxy{PostgresCluster::shared().host(),
                                        PostgresCluster::shared().port()};
  const Instant began = system_clock().instant();
};

TEST_F(BlackHole, breaks_a_connection_that_waits_for_an_answer) {
  const auto session = connect_through({.user_timeout = 500ms});
  ASSERT_TRUE(session->execute("SELECT 1"));
  proxy.become_black_hole();
  std::this_thread::sleep_for(100ms);
  const auto answer = session->execute("SELECT 1", {}, {.deadline = began + 60s});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable) << answer.error().message;
  EXPECT_TRUE(session->broken());
  EXPECT_LT(system_clock().instant() - began, 20s);
}

TEST_F(BlackHole, breaks_a_connection_that_only_listens) {
  const auto session = connect_through(
      {.user_timeout = 1s, .keepalive_idle = 1s, .keepalive_interval = 1s, .keepalive_count = 1});
  ASSERT_TRUE(session->execute("LISTEN something"));
  proxy.become_black_hole();
  const auto heard = session->wait_for_notifications({.deadline = began + 60s});
  ASSERT_FALSE(heard);
  EXPECT_EQ(heard.error().code, Code::unavailable) << heard.error().message;
  EXPECT_LT(system_clock().instant() - began, 20s);
}

}  // namespace
}  // namespace weir::postgres
