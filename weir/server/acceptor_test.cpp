#include <weir/server/acceptor.hpp>

#include <gmock/gmock.h>

#include <atomic>

#include <fmt/format.h>

#include <weir/server/http2_for_tests.hpp>
#include <weir/server/no_descriptors_for_tests.hpp>
#include <weir/server/server.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::server {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::unique_ptr<Server> serve(const std::string& address) {
  auto started =
      Server::start(std::make_shared<testing::MemoryCatalog>(), {.grpc_address = address});
  EXPECT_TRUE(started) << started.error().message;
  return started ? std::move(*started) : nullptr;
}

Result<Position> head_of(const std::string& target) {
  WEIR_TRY_ASSIGN(catalog, remote::connect({.target = target}));
  WEIR_TRY_ASSIGN(log, catalog->open("default"));
  return log->head();
}

class Waiting {
 public:
  explicit Waiting(int port) : port_(port), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {}
  ~Waiting() { ::close(socket_); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  bool connect() const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port_));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  /// Whether the server has greeted, or closed, within that time.
  bool heard(std::chrono::milliseconds patience) const {
    pollfd readable{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, static_cast<int>(patience.count())) == 1;
  }

 private:
  const int port_;
  const int socket_;
};

// gRPC's own listener accepted nobody ever again.
TEST(Acceptor, takes_clients_in_again_after_a_moment_without_file_descriptors) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "what checks the calls of virtual functions needs descriptors itself";
#endif
#endif
  const auto server = serve("127.0.0.1:0");
  const Waiting client(server->grpc_port());
  {
    const NoDescriptors now;
    ASSERT_TRUE(client.connect());
    EXPECT_FALSE(client.heard(300ms)) << "there was a descriptor";
  }
  EXPECT_TRUE(client.heard(10s)) << "who had waited was forgotten";
  EXPECT_TRUE(head_of(server->grpc_address()));
}

TEST(Acceptor, takes_nobody_in_once_it_has_stopped) {
  std::atomic<int> taken = 0;
  auto acceptor = Acceptor::listen({.address = "127.0.0.1:0"}).value();
  acceptor->start([&taken](int socket) {
    ::close(socket);
    ++taken;
    taken.notify_all();
  });
  ASSERT_TRUE(Waiting(acceptor->port()).connect());
  taken.wait(0);
  acceptor->stop();
  EXPECT_FALSE(Waiting(acceptor->port()).connect());
}

TEST(Acceptor, listens_at_a_name_and_at_each_address_of_this_machine) {
  if (!Acceptor::listen({.address = "[::1]:0"})) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_TRUE(head_of(serve("[::1]:0")->grpc_address()));
  // By address: the resolver that clients have leaks a few bytes of its own.
  EXPECT_TRUE(head_of(fmt::format("127.0.0.1:{}", serve("localhost:0")->grpc_port())));
  for (const auto* address : {"0.0.0.0:0", "[::]:0"}) {
    const auto server = serve(address);
    ASSERT_TRUE(server) << address;
    EXPECT_TRUE(head_of(fmt::format("127.0.0.1:{}", server->grpc_port()))) << address;
    EXPECT_TRUE(head_of(fmt::format("[::1]:{}", server->grpc_port()))) << address;
  }
}

TEST(Acceptor, says_why_an_address_cannot_be_listened_on) {
  const auto message = [](const std::string& address) {
    const auto acceptor = Acceptor::listen({.address = address});
    return acceptor ? "it can" : acceptor.error().message;
  };
  const auto server = serve("127.0.0.1:0");
  EXPECT_THAT(message(server->grpc_address()), HasSubstr("is another server running there?"));
  EXPECT_EQ(message("192.0.2.1:0"), "can't listen on 192.0.2.1:0: Cannot assign requested address");
  EXPECT_THAT(message("nowhere.invalid:0"), HasSubstr("grpc.address: can't resolve"));
  EXPECT_THAT(message("::1:0"), HasSubstr("an IPv6 address is in brackets"));
  EXPECT_THAT(message(":0"), HasSubstr("grpc.address: ':0' is without a host"));
}

}  // namespace
}  // namespace weir::server
