#include <weir/security/address.hpp>

#include <gtest/gtest.h>

namespace weir::security {
namespace {

TEST(Address, is_a_host_and_a_port) {
  const auto name = split_address("weir.example:50051", "grpc.address");
  ASSERT_TRUE(name) << name.error().message;
  EXPECT_EQ(name->host, "weir.example");
  EXPECT_EQ(name->port, 50051);
  EXPECT_EQ(split_address("[::1]:0", "grpc.address")->host, "::1");
  EXPECT_EQ(split_address(":80", "grpc.address")->host, "");
}

TEST(Address, without_a_host_and_a_port_is_refused_with_its_field) {
  for (const auto* address : {"", "8080", "::1:0", "host", "host:", "host:x", "host:65536",
                              "host:-1", "host: 1", "[::1]", "::1"}) {
    const auto split = split_address(address, "grpc.address");
    ASSERT_FALSE(split) << address;
    EXPECT_TRUE(split.error().message.starts_with("grpc.address: '")) << split.error().message;
  }
}

TEST(Loopback, is_what_this_machine_alone_can_reach) {
  for (const auto* address :
       {"127.0.0.1:50051", "127.8.9.1:0", "[::1]:80", "localhost:8080", "[::ffff:127.0.0.1]:80"}) {
    EXPECT_TRUE(is_loopback(address, "grpc.address").value()) << address;
  }
}

TEST(Loopback, is_not_what_others_can_reach) {
  for (const auto* address : {"0.0.0.0:50051", "[::]:80", "10.0.0.1:1", "192.168.1.1:80", ":80",
                              "128.0.0.1:1", "[fe80::1]:1", "[::ffff:10.0.0.1]:80", "0:80"}) {
    EXPECT_FALSE(is_loopback(address, "grpc.address").value()) << address;
  }
}

TEST(Loopback, is_not_known_of_what_nobody_knows) {
  for (const auto* address : {"no-such-host.invalid:80", "*:80", ""}) {
    const auto known = is_loopback(address, "grpc.address");
    ASSERT_FALSE(known) << address;
    EXPECT_TRUE(known.error().message.starts_with("grpc.address: ")) << known.error().message;
  }
}

}  // namespace
}  // namespace weir::security
