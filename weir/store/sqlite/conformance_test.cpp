#include <weir/store/conformance/conformance.hpp>

#include <filesystem>

#include <weir/store/sqlite/store.hpp>

namespace weir::sqlite {
namespace {

/// A store in a folder of its own, which goes with it.
class TemporaryStore final : public Catalog {
 public:
  TemporaryStore(std::filesystem::path folder, std::shared_ptr<Store> store)
      : folder_(std::move(folder)), store_(std::move(store)) {}
  ~TemporaryStore() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  Result<std::vector<LogInfo>> list(CallOptions call) override { return store_->list(call); }
  Result<LogInfo> create(const std::string& name, const LogOptions& options,
                         CallOptions call) override {
    return store_->create(name, options, call);
  }
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions call) override {
    return store_->open(name, call);
  }

 private:
  std::filesystem::path folder_;
  std::shared_ptr<Store> store_;
};

std::shared_ptr<Catalog> fresh(std::size_t segment_events) {
  std::string pattern = (std::filesystem::temp_directory_path() / "weir-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  auto store = Store::open({.path = (folder / "log.db").string(), .segment_events = segment_events},
                           std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  return std::make_shared<TemporaryStore>(folder, *store);
}

const conformance::Implementation in_tail{"in_tail", [] { return fresh(16'384); }};
// So small segments that nearly everything is in runs, and runs merge.
const conformance::Implementation in_runs{"in_runs", [] { return fresh(4); }};

}  // namespace
}  // namespace weir::sqlite

namespace weir::conformance {
INSTANTIATE_TEST_SUITE_P(Sqlite, Conformance,
                         testing::Values(sqlite::in_tail, sqlite::in_runs), name_of);
INSTANTIATE_TEST_SUITE_P(Sqlite, ConcurrencyConformance,
                         testing::Values(sqlite::in_tail, sqlite::in_runs), name_of);
}  // namespace weir::conformance
