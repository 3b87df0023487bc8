#include <gtest/gtest.h>

#include <tests/support/load.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/server/server.hpp>
#include <weir/store/postgres/store.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/resilient/shield.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using testing_support::Follower;
using testing_support::PostgresCluster;

TEST(ServerOnPostgres, keeps_its_subscribers_while_the_database_is_away) {
  PostgresCluster cluster({});
  auto options = resilient::preset("development").value();
  options.read.circuit_breaker.open_for = options.write.circuit_breaker.open_for = 300ms;
  const auto shield = resilient::Shield::create(options).value();
  engine::LogEngineOptions engine;
  engine.around = [shield](std::unique_ptr<engine::Backend> backend) {
    return shield->around(std::move(backend));
  };
  const auto store = postgres::Store::open({.uri = cluster.new_database(), .engine = engine},
                                           std::make_shared<engine::Threads>());
  ASSERT_TRUE(store) << to_string(store.error());
  const auto server =
      Server::start(shield->around(std::shared_ptr<Catalog>(*store)),
                    {.grpc_address = "127.0.0.1:0", .streams = {.heartbeat = 100ms}})
          .value();
  const auto log =
      remote::connect({.target = server->grpc_address()}).value()->open("default").value();
  const auto append = [&] { return log->append({.events = {{.type = "T", .data = "{}"}}}); };
  // One that is live when the database goes, and one that comes while it is away.
  Follower before{{}}, meanwhile{{}};
  before.follow(log);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append());

  cluster.stop();
  meanwhile.follow(log);
  const auto refused = append();
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_TRUE(refused.error().retry_after);
  std::this_thread::sleep_for(1s);
  cluster.start();

  std::uint64_t head = 10;
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (head < 20 && std::chrono::steady_clock::now() < until) {
    if (const auto appended = append()) {
      EXPECT_EQ(appended->last.value, ++head) << "what was refused is there";
    } else {
      std::this_thread::sleep_for(20ms);
    }
  }
  EXPECT_EQ(head, 20u);
  for (auto* follower : {&before, &meanwhile}) {
    EXPECT_TRUE(follower->reach(Position(head))) << "its stream ended";
    EXPECT_EQ(follower->seen().size(), head);
  }
  server->shut_down(1s);
}

}  // namespace
}  // namespace weir::server
