#include <weir/security/address.hpp>

#include <gtest/gtest.h>

namespace weir::security {
namespace {

TEST(Loopback, is_what_this_machine_alone_can_reach) {
  for (const auto* address :
       {"127.0.0.1:50051", "127.8.9.1:0", "[::1]:80", "localhost:8080", "[::ffff:127.0.0.1]:80"}) {
    EXPECT_TRUE(is_loopback(address)) << address;
  }
}

TEST(Loopback, is_not_what_others_can_reach_nor_what_nobody_knows) {
  for (const auto* address :
       {"0.0.0.0:50051", "[::]:80", "10.0.0.1:1", "192.168.1.1:80", ":80", "128.0.0.1:1",
        "[fe80::1]:1", "[::ffff:10.0.0.1]:80", "*:80", "no-such-host.invalid:80", "0:80", ""}) {
    EXPECT_FALSE(is_loopback(address)) << address;
  }
}

}  // namespace
}  // namespace weir::security
