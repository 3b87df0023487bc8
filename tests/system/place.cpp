#include <tests/system/place.hpp>

#include <tests/support/postgres_cluster.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::system_tests {
namespace {

class InFile final : public Place {
 public:
  std::string uri() const override { return "sqlite:" + folder_.file("log.db"); }

 private:
  testing_support::TemporaryFolder folder_;
};

class InPostgres final : public Place {
 public:
  std::string uri() const override { return database_.uri; }

 private:
  testing_support::TestDatabase database_;
};

}  // namespace

std::vector<Engine> engines() {
  return {{"sqlite", [] { return std::unique_ptr<Place>(std::make_unique<InFile>()); }},
          {"postgres", [] { return std::unique_ptr<Place>(std::make_unique<InPostgres>()); }}};
}

std::string engine_name(const testing::TestParamInfo<Engine>& info) {
  return info.param.name;
}

}  // namespace weir::system_tests
