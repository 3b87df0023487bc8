#include <tests/support/owning_catalog.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/store/conformance/conformance.hpp>
#include <weir/store/postgres/store.hpp>

namespace weir::postgres {
namespace {

using testing_support::OwningCatalog;
using testing_support::TestDatabase;

std::shared_ptr<Catalog> fresh() {
  auto database = std::make_unique<TestDatabase>();
  auto store = Store::open({.uri = database->uri}, std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  return std::make_shared<OwningCatalog<TestDatabase>>(std::move(database), *store);
}

const conformance::Implementation implementation{"one_process", fresh};

}  // namespace
}  // namespace weir::postgres

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(Postgres, Conformance, ::testing::Values(postgres::implementation),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Postgres, ConcurrencyConformance,
                         ::testing::Values(postgres::implementation), name_of);
}  // namespace weir::conformance
