#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include <weir/gateway/testing/http_client.hpp>

#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using gateway::testing::eventually;
using gateway::testing::HttpClient;
using testing_support::ServerProcess;

/// A server that may have this many files open.
class Descriptors : public testing::Test {
 protected:
  /// The shell's commands come before the server's.
  std::unique_ptr<ServerProcess> serve(const std::string& limits) {
    const auto script = folder_.file("limited");
    std::ofstream(script) << fmt::format("#!/bin/sh\n{}\nexec {} \"$@\"\n", limits,
                                         testing_support::built_program());
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    return std::make_unique<ServerProcess>(
        ServerProcess::Options{.program = script, .store = place_->uri()});
  }
  /// Connections that say nothing.
  static std::vector<std::unique_ptr<HttpClient>> connect(int port, int count) {
    std::vector<std::unique_ptr<HttpClient>> all;
    for (int i = 0; i < count; ++i) {
      all.push_back(std::make_unique<HttpClient>(static_cast<std::uint16_t>(port)));
    }
    return all;
  }
  static int port_of(const std::string& address) {
    return std::stoi(address.substr(address.rfind(':') + 1));
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Place> place_ = engines().front().make();
};

TEST_F(Descriptors, are_as_many_as_the_system_allows_a_server) {
  const auto server = serve("ulimit -Sn 200");
  rlimit limit{};
  ASSERT_EQ(prlimit(server->id(), RLIMIT_NOFILE, nullptr, &limit), 0);
  EXPECT_GT(limit.rlim_max, 200U);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

TEST_F(Descriptors, are_left_to_grpc_by_those_who_connect_to_http) {
  const auto server = serve("ulimit -n 200");
  const auto crowd = connect(server->http_port(), 300);
  const auto head = server->connect()->head();
  EXPECT_TRUE(head) << to_string(head.error()) << server->log();
}

// gRPC's own listener accepted nobody ever again once it had met this.
TEST_F(Descriptors, are_left_to_http_and_the_store_by_those_who_connect_to_grpc) {
  const auto server = serve("ulimit -n 200");
  {
    const auto crowd = connect(port_of(server->grpc()), 300);
    EXPECT_TRUE(eventually([&] {
      return server->log().find("a connection was turned away") != std::string::npos;
    })) << server->log();
    HttpClient client(server->http_port());
    EXPECT_EQ(client.get("/health/ready").status, 200) << server->log();
  }
  const auto head = server->connect()->head();
  EXPECT_TRUE(head) << to_string(head.error()) << server->log();
}

}  // namespace
}  // namespace weir::system_tests
