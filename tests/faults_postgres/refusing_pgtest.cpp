#include <libpq-fe.h>
#include <pwd.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>

#include <tests/faults_postgres/shielded_store.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::faults_postgres {
namespace {

using namespace std::chrono_literals;
using testing_support::Follower;
using testing_support::run_sql;

/// Another client, which takes all connections that there are.
class Greedy {
 public:
  explicit Greedy(const std::string& uri) {
    while (true) {
      auto* connection = PQconnectdb(uri.c_str());
      if (PQstatus(connection) != CONNECTION_OK) {
        PQfinish(connection);
        return;
      }
      taken_.push_back(connection);
    }
  }
  ~Greedy() {
    for (auto* connection : taken_) PQfinish(connection);
  }
  Greedy(const Greedy&) = delete;
  Greedy& operator=(const Greedy&) = delete;

  std::size_t taken() const { return taken_.size(); }

 private:
  std::vector<PGconn*> taken_;
};

using Connected = Faults;

TEST_F(Connected, to_the_limit_by_others_callers_who_allow_retries_wait_for_a_connection) {
  const ShieldedStore store(uri, patient());
  auto greedy = std::make_unique<Greedy>(uri);
  EXPECT_GT(greedy->taken(), 10u);
  // Whoever appends first needs a connection more; so do readers that come together.
  show_no_error(store, 8, [&] {
    pause(1s);
    EXPECT_EQ(ledger.events_acknowledged(), 0u) << "there was a connection left";
    greedy.reset();
    pause(1500ms);
  });
  EXPECT_GT(ledger.events_acknowledged(), 0u);
}

TEST_F(Connected, to_the_limit_by_others_callers_in_a_hurry_are_told_why_and_when) {
  auto options = hasty();
  options.write.circuit_breaker.calls_min = 1000;
  const ShieldedStore store(uri, options);
  const Greedy greedy(uri);
  const auto appended = store.log->append({.events = {{.type = "T", .data = "{}"}}});
  EXPECT_EQ(appended.error().code, Code::unavailable);
  EXPECT_TRUE(appended.error().retry_after);
  EXPECT_TRUE(engine::is_nothing_recorded(appended.error()));
  EXPECT_NE(appended.error().message.find("too many clients"), std::string::npos)
      << appended.error().message;
}

/// A file system of so many MiB, as long as it lives.
class SmallDisk {
 public:
  explicit SmallDisk(int mebibytes) {
    const auto options = fmt::format("size={}m,mode=0700", mebibytes);
    if (mount("tmpfs", folder_.file("disk").c_str(), "tmpfs", 0, options.c_str()) != 0) {
      why_not_ = std::strerror(errno);
      return;
    }
    if (const auto* user = getpwnam("postgres"); geteuid() == 0 && user != nullptr) {
      if (chown(path().c_str(), user->pw_uid, user->pw_gid) != 0) why_not_ = std::strerror(errno);
      std::filesystem::permissions(folder_.file(""), std::filesystem::perms::others_exec,
                                   std::filesystem::perm_options::add);
    }
  }
  ~SmallDisk() { umount2(path().c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// Empty when it is there.
  const std::string& why_not() const { return why_not_; }
  std::string path() const { return folder_.file("disk"); }

 private:
  struct Folder : testing_support::TemporaryFolder {
    Folder() { std::filesystem::create_directory(file("disk")); }
  };
  Folder folder_;
  std::string why_not_;
};

using Disk = Faults;

TEST_F(Disk, that_is_full_refuses_appends_truthfully_and_takes_them_again_when_there_is_room) {
  const SmallDisk disk(32);
  if (!disk.why_not().empty()) {
    GTEST_SKIP() << "a small file system can't be mounted here: " << disk.why_not();
  }
  run_sql(uri, fmt::format("CREATE TABLESPACE small LOCATION '{}'", disk.path()));
  const auto filler = disk.path() + "/filler";
  std::ofstream(filler) << std::string(8 << 20, 'x');
  run_sql(cluster().new_database(),
          "CREATE DATABASE on_small_disk TEMPLATE template0"
          " TABLESPACE small");
  const auto small = uri.substr(0, uri.rfind('/')) + "/on_small_disk";
  {
    auto options = hasty();
    options.write.circuit_breaker.calls_min = 1000;
    const ShieldedStore store(small, options);
    std::minstd_rand random;
    std::uint64_t acknowledged = 0;
    Result<Appended> appended = Appended();
    for (int i = 0; i < 400 && appended; ++i) {
      // Random, so that it can't be compressed away.
      std::string incompressible(500'000, ' ');
      for (auto& c : incompressible) c = static_cast<char>('a' + random() % 26);
      appended = store.log->append(
          {.events = {{.type = "T", .data = "{\"p\":\"" + incompressible + "\"}"}}});
      if (appended) acknowledged = appended->last.value;
    }
    ASSERT_FALSE(appended) << "the disk never became full";
    EXPECT_EQ(appended.error().code, Code::unavailable) << to_string(appended.error());
    EXPECT_TRUE(appended.error().retry_after);
    EXPECT_TRUE(engine::is_nothing_recorded(appended.error()));
    EXPECT_EQ(appended.error().details.at("sqlstate"), "53100") << appended.error().message;
    EXPECT_GT(acknowledged, 0u);
    EXPECT_EQ(store.log->head().value(), Position(acknowledged)) << "reads go on";
    std::filesystem::remove(filler);
    const auto after = store.log->append({.events = {{.type = "After", .data = "{}"}}});
    ASSERT_TRUE(after) << to_string(after.error());
    EXPECT_EQ(after->first.value, acknowledged + 1);
    const auto events = store.log->read({}).collect();
    ASSERT_TRUE(events);
    EXPECT_EQ(events->events.size(), acknowledged + 1);
  }
  cluster().drop_database(small);
  run_sql(uri, "DROP TABLESPACE small");
}

}  // namespace
}  // namespace weir::faults_postgres
