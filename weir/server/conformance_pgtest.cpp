#include <weir/server/served_for_tests.hpp>
#include <weir/store/conformance/conformance.hpp>
#include <weir/store/postgres/store.hpp>

#include <tests/support/postgres_cluster.hpp>

namespace weir::server {
namespace {

std::shared_ptr<Catalog> fresh_on_postgres() {
  auto place = std::make_unique<testing_support::TestDatabase>();
  const auto store =
      postgres::Store::open({.uri = place->uri}, std::make_shared<engine::Threads>());
  return served(std::move(place), store);
}

const conformance::Implementation over_postgres{"over_postgres", fresh_on_postgres};

}  // namespace
}  // namespace weir::server

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(RemotePostgres, Conformance, ::testing::Values(server::over_postgres),
                         name_of);
INSTANTIATE_TEST_SUITE_P(RemotePostgres, ConcurrencyConformance,
                         ::testing::Values(server::over_postgres), name_of);
}  // namespace weir::conformance
