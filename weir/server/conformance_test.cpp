#include <weir/server/served_for_tests.hpp>
#include <weir/store/conformance/conformance.hpp>
#include <weir/store/sqlite/store.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::server {
namespace {

std::shared_ptr<Catalog> fresh() {
  auto place = std::make_unique<testing_support::TemporaryFolder>();
  const auto store =
      sqlite::Store::open({.path = place->file("log.db")}, std::make_shared<engine::Threads>());
  return served(std::move(place), store);
}

const conformance::Implementation over_sqlite{"over_sqlite", fresh};

}  // namespace
}  // namespace weir::server

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(Remote, Conformance, ::testing::Values(server::over_sqlite), name_of);
INSTANTIATE_TEST_SUITE_P(Remote, ConcurrencyConformance, ::testing::Values(server::over_sqlite),
                         name_of);
}  // namespace weir::conformance
