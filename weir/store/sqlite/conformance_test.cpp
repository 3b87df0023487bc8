#include <weir/store/conformance/conformance.hpp>
#include <weir/store/sqlite/store.hpp>

#include "tests/support/owning_catalog.hpp"
#include "tests/support/temporary_folder.hpp"

namespace weir::sqlite {
namespace {

using testing_support::OwningCatalog;
using testing_support::TemporaryFolder;

std::shared_ptr<Catalog> fresh(StoreOptions options) {
  auto folder = std::make_unique<TemporaryFolder>();
  options.path = folder->file("log.db");
  auto store = Store::open(std::move(options), std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  return std::make_shared<OwningCatalog<TemporaryFolder>>(std::move(folder), *store);
}

const conformance::Implementation in_tail{"in_tail", [] { return fresh({}); }};
// So small segments that nearly everything is in runs, and runs merge.
const conformance::Implementation in_runs{"in_runs", [] { return fresh({.segment_events = 4}); }};
// Nothing is kept in memory but the tail.
const conformance::Implementation on_disk{
    "on_disk",
    [] { return fresh({.segment_events = 4, .event_cache_bytes = 0, .list_cache_bytes = 0}); }};

}  // namespace
}  // namespace weir::sqlite

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(Sqlite, Conformance,
                         ::testing::Values(sqlite::in_tail, sqlite::in_runs, sqlite::on_disk),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, ConcurrencyConformance,
                         ::testing::Values(sqlite::in_tail, sqlite::in_runs, sqlite::on_disk),
                         name_of);
}  // namespace weir::conformance
