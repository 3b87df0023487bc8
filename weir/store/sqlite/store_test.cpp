#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <fmt/format.h>
#include <sqlite3.h>

#include <weir/sql/sqlite/session.hpp>
#include <weir/store/sqlite/path.hpp>
#include <weir/store/sqlite/store.hpp>
#include <weir/store/sqlite/unfinished_file.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::sqlite {
namespace {

/// SQLite's own VFS, which calls back before it opens a file.
class CallingVfs {
 public:
  static constexpr const char* name = "weir-calling";

  explicit CallingVfs(std::function<void(const std::string& path)> opens)
      : opens_(std::move(opens)), vfs_(*system()) {
    vfs_.zName = name;
    vfs_.pAppData = this;
    vfs_.xOpen = [](sqlite3_vfs* vfs, sqlite3_filename path, sqlite3_file* file, int flags,
                    int* out_flags) {
      static_cast<CallingVfs*>(vfs->pAppData)->opens_(path == nullptr ? "" : path);
      return system()->xOpen(system(), path, file, flags, out_flags);
    };
    // This one knows the system's VFS by what it keeps in pAppData.
    vfs_.xFullPathname = [](sqlite3_vfs*, const char* path, int bytes, char* out) {
      return system()->xFullPathname(system(), path, bytes, out);
    };
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~CallingVfs() { sqlite3_vfs_unregister(&vfs_); }
  CallingVfs(const CallingVfs&) = delete;
  CallingVfs& operator=(const CallingVfs&) = delete;

 private:
  static sqlite3_vfs* system() { return sqlite3_vfs_find("unix"); }

  const std::function<void(const std::string&)> opens_;
  sqlite3_vfs vfs_;
};

struct Stores : ::testing::Test {
  testing_support::TemporaryFolder folder;

  static Result<std::shared_ptr<Store>> open(const std::string& path, bool create = true) {
    return Store::open({.path = path, .create = create}, std::make_shared<engine::Threads>());
  }
  static std::vector<std::string> names(Store& store) {
    std::vector<std::string> names;
    const auto logs = store.list({});
    EXPECT_TRUE(logs) << to_string(logs.error());
    if (!logs) return names;
    for (const auto& log : *logs) names.push_back(log.name);
    return names;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
      if (entry.path().extension() == ".db") files.push_back(entry.path().filename());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
};

TEST_F(Stores, are_the_same_by_every_name_of_their_file) {
  std::filesystem::create_directory(folder.file("there"));
  std::filesystem::create_symlink("there/log.db", folder.file("link.db"));
  const auto by_link = open(folder.file("link.db")).value();
  EXPECT_TRUE(by_link->create("other", {}, {}));
  const auto by_file = open(folder.file("there/../there/log.db")).value();
  EXPECT_EQ(names(*by_file), (std::vector<std::string>{"default", "other"}));
  EXPECT_EQ(files(), (std::vector<std::string>{"link.db", "log.db", "log.other.db"}));
}

TEST_F(Stores, are_files_whatever_sqlite_takes_their_names_for) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  for (const std::string name : {"file:x.db", ":memory:", "file:y.db?mode=memory"}) {
    const auto store = open(name);
    ASSERT_TRUE(store) << to_string(store.error());
    const auto log = (*store)->open("default", {}).value();
    EXPECT_TRUE(log->append({.events = {{.type = "A", .data = "{}"}}}));
    EXPECT_TRUE(std::filesystem::exists(folder.file(name)));
  }
  std::filesystem::current_path(before);
}

TEST_F(Stores, can_be_listed_while_logs_are_being_made) {
  const auto path = folder.file("log.db");
  const auto listed = open(path).value(), made = open(path).value();
  std::jthread maker([&](const std::stop_token& stop) {
    for (int i = 0; i < 40 && !stop.stop_requested(); ++i) {
      EXPECT_TRUE(made->create(fmt::format("n{}", i), {}, {}));
    }
  });
  while (names(*listed).size() < 41 && !HasFailure()) std::this_thread::yield();
}

TEST_F(Stores, are_made_by_one_of_those_who_make_them_at_once) {
  const auto path = folder.file("log.db");
  std::vector<std::jthread> makers;
  for (int i = 0; i < 8; ++i) {
    makers.emplace_back([&] {
      const auto store = open(path);
      ASSERT_TRUE(store) << to_string(store.error());
      EXPECT_TRUE((*store)->create("other", {}, {}));
    });
  }
  makers.clear();
  EXPECT_EQ(files(), (std::vector<std::string>{"log.db", "log.other.db"}));
}

TEST_F(Stores, are_those_that_others_have_made_meanwhile) {
  const auto path = folder.file("log.db"), theirs = folder.file("theirs.db");
  ASSERT_TRUE(open(theirs));
  const CallingVfs vfs([&](const std::string& opened) {
    if (opened == path + ".part") {
      std::filesystem::copy_file(theirs, path, std::filesystem::copy_options::skip_existing);
    }
  });
  const auto store =
      Store::open({.path = path, .vfs = CallingVfs::name}, std::make_shared<engine::Threads>());
  ASSERT_TRUE(store) << to_string(store.error());
  EXPECT_EQ(names(**store), std::vector<std::string>{"default"});
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST_F(Stores, need_no_extension) {
  const std::vector<std::string> logs = {"default", "orders", "two-words"};
  const auto path = folder.file("library");
  const auto store = open(path).value();
  EXPECT_TRUE(store->create("orders", {}, {}));
  EXPECT_TRUE(store->create("two-words", {}, {}));
  EXPECT_EQ(names(*store), logs);
  for (const auto& name : logs) {
    const auto log = store->open(name, {}).value();
    EXPECT_TRUE(log->append({.events = {{.type = "A", .data = "{}"}}}));
  }
  // What lies beside them, now or at times.
  EXPECT_TRUE(std::filesystem::exists(path + ".orders-wal"));
  for (const auto* beside : {"-indexer", ".part", ".orders-indexer", ".orders.part",
                             ".orders-journal", ".orders.part-wal"}) {
    std::ofstream file(path + beside, std::ios::app);
  }
  EXPECT_EQ(names(*store), logs);
  EXPECT_EQ(names(*open(path).value()), logs);
  for (const auto* taken : {"part", "orders-wal", "new-shm", "new-indexer"}) {
    EXPECT_EQ(store->create(taken, {}, {}).error().code, Code::invalid_argument) << taken;
    EXPECT_EQ(store->open(taken, {}).error().code, Code::invalid_argument) << taken;
  }
}

// A database says by its header whether it has a write-ahead log.
TEST_F(Stores, change_nothing_of_a_database_that_is_no_log) {
  const auto store = open(folder.file("library")).value();
  const auto theirs = folder.file("library.db");
  ASSERT_TRUE(Session::open({.path = theirs, .create = true})->execute("CREATE TABLE thing (n)"));
  const auto bytes = [&] {
    std::ifstream file(theirs, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const auto before = bytes();
  ASSERT_FALSE(before.empty());
  const auto listed = store->list({});
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code, Code::failed_precondition);
  EXPECT_NE(listed.error().message.find(theirs), std::string::npos) << listed.error().message;
  EXPECT_FALSE(open(theirs));
  EXPECT_EQ(bytes(), before);
}

TEST_F(Stores, are_not_made_where_a_write_ahead_log_lacks_its_database) {
  const auto path = folder.file("log.db");
  std::ofstream(path + "-wal") << "the last events of another";
  const auto refused = open(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_NE(refused.error().message.find("log.db-wal"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(std::filesystem::file_size(path + "-wal"), 26);
  std::filesystem::remove(path + "-wal");
  EXPECT_TRUE(open(path));
}

TEST_F(Stores, with_an_extension_have_room_for_every_name) {
  const auto path = folder.file("library.db");
  const std::vector<std::string> logs = {"default", "orders", "orders-wal", "part"};
  const auto store = open(path).value();
  for (const auto& name : logs) {
    EXPECT_TRUE(store->create(name, {}, {})) << name;
    const auto log = store->open(name, {}).value();
    EXPECT_TRUE(log->append({.events = {{.type = "A", .data = "{}"}}}));
  }
  EXPECT_EQ(names(*store), logs);
  EXPECT_EQ(names(*open(path).value()), logs);
}

TEST_F(Stores, read_nothing_of_a_file_that_is_another_by_now) {
  const auto path = folder.file("log.db");
  const auto file = File::open({.path = path, .create = true}).value();
  const auto open_before = file->lease({});
  ASSERT_TRUE(open_before);
  std::filesystem::copy_file(path, folder.file("copy.db"));
  std::filesystem::rename(folder.file("copy.db"), path);
  const auto refused = file->lease({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(refused.error().message, file->check_place().error().message);
}

TEST_F(Stores, take_no_appends_for_a_file_that_is_another_by_now) {
  const auto path = folder.file("log.db");
  const auto store = open(path).value();
  const auto log = store->open("default", {}).value();
  const AppendRequest request{.events = {{.type = "A", .data = "{}"}}};
  EXPECT_TRUE(log->append(request));
  EXPECT_EQ(store->health().front().status, HealthStatus::healthy);
  std::filesystem::copy_file(path, folder.file("copy.db"));
  std::filesystem::rename(folder.file("copy.db"), path);
  const auto refused = log->append(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(refused.error().message,
            "'" + path + "' was moved, removed or replaced while it was open");
  EXPECT_EQ(store->health().front().status, HealthStatus::unhealthy);
}

TEST_F(Stores, give_up_at_the_deadline_while_another_process_holds_the_file) {
  const auto path = folder.file("log.db");
  const auto log = open(path).value()->open("default", {}).value();
  const AppendRequest request{.events = {{.type = "A", .data = "{}"}}};
  EXPECT_TRUE(log->append(request));
  auto other = Session::open({.path = path}).value();
  ASSERT_TRUE(other.execute("BEGIN IMMEDIATE"));
  const auto began = system_clock().instant();
  auto late = request;
  late.call.deadline = began + std::chrono::milliseconds(200);
  const auto refused = log->append(late);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::deadline_exceeded) << to_string(refused.error());
  EXPECT_LT(system_clock().instant() - began, std::chrono::seconds(3));
  ASSERT_TRUE(other.execute("ROLLBACK"));
  EXPECT_EQ(log->append(request)->last, Position(2));
}

TEST_F(Stores, that_were_never_finished_are_none) {
  const auto path = folder.file("log.db");
  const auto store = open(path).value();
  // What a process that is killed while it makes a log leaves.
  const auto left = folder.file("log.other.db");
  const auto killed = ::fork();
  if (killed == 0) {
    const auto unfinished = UnfinishedFile::create(left);
    std::ofstream((*unfinished)->path()).close();
    std::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(killed, &status, 0), killed);
  ASSERT_TRUE(std::filesystem::exists(left + ".part"));
  EXPECT_EQ(names(*store), std::vector<std::string>{"default"});
  EXPECT_EQ(store->open("other", {}).error().code, Code::not_found);
  EXPECT_TRUE(store->create("other", {}, {}));
  EXPECT_EQ(names(*store), (std::vector<std::string>{"default", "other"}));
  EXPECT_FALSE(std::filesystem::exists(left + ".part"));
  EXPECT_FALSE(std::filesystem::exists(left + ".part-lock"));
}

/// Whether another process than this holds a lock on a byte of SQLite's (sqlite3PendingByte on).
bool is_locked_elsewhere(const std::string& path) {
  const auto asking = ::fork();
  if (asking == 0) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_start = 0x40000000;
    lock.l_len = 512;
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    ::_exit(::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(asking, &status, 0), asking);
  return status == 0;
}

// A process that closes any descriptor of a file lets go of all its locks on it: others would then
// take the write-ahead log of an open log for nobody's.
TEST_F(Stores, stay_locked_when_whoever_made_the_file_goes) {
  const auto path = folder.file("log.db");
  auto unfinished = UnfinishedFile::create(path).value();
  ASSERT_TRUE(Session::open({.path = unfinished->path(), .create = true})
                  ->execute("PRAGMA journal_mode=WAL; CREATE TABLE thing (n)"));
  ASSERT_TRUE(unfinished->finish());
  auto session = Session::open({.path = path}).value();
  ASSERT_TRUE(session.query_integer("SELECT count(*) FROM thing"));
  ASSERT_TRUE(is_locked_elsewhere(path));
  unfinished.reset();
  EXPECT_TRUE(is_locked_elsewhere(path));
}

// Neither does looking for logs.
TEST_F(Stores, stay_locked_when_they_are_listed) {
  for (const auto* name : {"with/log.db", "without/log"}) {
    const auto path = folder.file(name);
    const auto store = open(path).value();
    EXPECT_TRUE(store->create("other", {}, {}));
    EXPECT_EQ(names(*store).size(), 2);
    for (const auto& file : {path, path_of(path, "other")}) EXPECT_TRUE(is_locked_elsewhere(file));
  }
}

}  // namespace
}  // namespace weir::sqlite
