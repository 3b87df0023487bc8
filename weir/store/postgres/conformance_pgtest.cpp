#include <tests/support/owning_catalog.hpp>
#include <tests/support/pooler.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/store/conformance/conformance.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using testing_support::OwningCatalog;
using testing_support::Pooler;
using testing_support::PostgresCluster;
using testing_support::TestDatabase;

std::shared_ptr<Catalog> fresh() {
  auto database = std::make_unique<TestDatabase>();
  auto store = Store::open({.uri = database->uri}, std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  return std::make_shared<OwningCatalog<TestDatabase>>(std::move(database), *store);
}

/// By way of a pooler that hands each transaction to any of a few connections: of its modes the one
/// that leaves a client the least.
std::shared_ptr<Catalog> fresh_behind_pooler() {
  static Pooler pooler(PostgresCluster::shared(), "transaction", 4);
  auto database = std::make_unique<TestDatabase>();
  auto store =
      Store::open({.uri = pooler.by_way_of(database->uri)}, std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  return std::make_shared<OwningCatalog<TestDatabase>>(std::move(database), *store);
}

const conformance::Implementation implementation{"one_process", fresh};
const conformance::Implementation pooled{"behind_pgbouncer", fresh_behind_pooler};

}  // namespace
}  // namespace weir::postgres

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(Postgres, Conformance,
                         ::testing::Values(postgres::implementation, postgres::pooled), name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, ConcurrencyConformance,
                         ::testing::Values(postgres::implementation), name_of);
}  // namespace weir::conformance
