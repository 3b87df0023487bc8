#include <weir/server/server.hpp>
#include <weir/store/conformance/conformance.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/sqlite/store.hpp>

#include <tests/support/owning_catalog.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::server {
namespace {

/// A server on a free port over a store of its own.
struct Served {
  testing_support::TemporaryFolder folder;
  std::unique_ptr<Server> server;
};

std::shared_ptr<Catalog> fresh() {
  auto served = std::make_unique<Served>();
  auto store = sqlite::Store::open({.path = served->folder.file("log.db")},
                                   std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  auto server = Server::start(*store, {.grpc_address = "127.0.0.1:0"});
  EXPECT_TRUE(server) << to_string(server.error());
  served->server = std::move(*server);
  auto client = remote::connect({.target = served->server->grpc_address()});
  EXPECT_TRUE(client) << to_string(client.error());
  return std::make_shared<testing_support::OwningCatalog<Served>>(std::move(served), *client);
}

const conformance::Implementation over_sqlite{"over_sqlite", fresh};

}  // namespace
}  // namespace weir::server

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(Remote, Conformance, testing::Values(server::over_sqlite), name_of);
INSTANTIATE_TEST_SUITE_P(Remote, ConcurrencyConformance, testing::Values(server::over_sqlite),
                         name_of);
}  // namespace weir::conformance
