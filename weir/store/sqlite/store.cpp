#include <weir/store/sqlite/store.hpp>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include <weir/base/begin_threads.hpp>
#include <weir/store/sqlite/checkpointer.hpp>
#include <weir/store/sqlite/indexer.hpp>
#include <weir/store/sqlite/reading.hpp>
#include <weir/store/sqlite/unfinished_file.hpp>
#include <weir/store/sqlite/write_connection.hpp>

namespace weir::sqlite {
namespace {

/// A log in a file, as engine::Log wants it.
class FileBackend final : public engine::Backend {
 public:
  explicit FileBackend(std::shared_ptr<File> file)
      : file_(std::move(file)),
        queue_(std::make_shared<IndexQueue>()),
        connection_(std::make_shared<WriteConnection>(file_, queue_)) {}

  ~FileBackend() override {
    // These use the connection; they go first.
    indexer_.reset();
    checkpointer_.reset();
  }

  const LogInfo& info() const override { return file_->info(); }

  Result<std::unique_ptr<engine::Writer>> open_writer() override {
    WEIR_TRY(start_maintenance());
    return std::unique_ptr<engine::Writer>(std::make_unique<FileWriter>(file_, connection_));
  }

  Result<ReadStep> read_step(const ReadRequest& request) override {
    return sqlite::read_step(*file_, request);
  }

  std::optional<ReadStep> read_at_once(const ReadRequest& request) override {
    return sqlite::read_at_once(*file_, request);
  }

  Result<Position> head(const CallOptions& call) override {
    WEIR_TRY_ASSIGN(connection, file_->lease(call));
    WEIR_TRY_ASSIGN(head, connection->read_head());
    return head;
  }

  bool changed_elsewhere() override {
    const auto now = head({});
    const std::lock_guard lock(mutex_);
    if (!now || *now == looked_at_) return false;
    looked_at_ = *now;
    return true;
  }

  void on_change_elsewhere(std::function<void()>) override {}

  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key,
                                                const CallOptions& call) override {
    WEIR_TRY_ASSIGN(connection, file_->lease(call));
    WEIR_TRY_ASSIGN(select,
                    connection->session.prepare("SELECT position, data, saved_at FROM snapshot "
                                                "WHERE projection = ? AND query_hash = ?"));
    select.bind_text(1, key.projection);
    select.bind_text(2, key.query_hash);
    WEIR_TRY_ASSIGN(row, select.step());
    if (!row) return std::optional<Snapshot>();
    return std::optional(
        Snapshot{.key = key,
                 .position = Position(static_cast<std::uint64_t>(select.integer(0))),
                 .data = std::string(select.text(1)),
                 .saved_at = from_micros(select.integer(2))});
  }

  Result<bool> save_snapshot(const Snapshot& snapshot, const CallOptions&) override {
    bool saved = false;
    WEIR_TRY(transact([&](WriteConnection::Open& open) -> Result<void> {
      auto& put = open.put_snapshot;
      put.bind_text(1, snapshot.key.projection);
      put.bind_text(2, snapshot.key.query_hash);
      put.bind(3, static_cast<std::int64_t>(snapshot.position.value));
      put.bind_blob(4, snapshot.data);
      put.bind(5, snapshot.saved_at.time_since_epoch().count());
      WEIR_TRY_ASSIGN(row, put.step());
      saved = row;
      put.reset();
      return {};
    }));
    return saved;
  }

  Result<void> delete_snapshot(const SnapshotKey& key, const CallOptions&) override {
    return transact([&](WriteConnection::Open& open) -> Result<void> {
      open.delete_snapshot.bind_text(1, key.projection);
      open.delete_snapshot.bind_text(2, key.query_hash);
      return open.delete_snapshot.run();
    });
  }

  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               const CallOptions& call) override {
    WEIR_TRY_ASSIGN(connection, file_->lease(call));
    WEIR_TRY_ASSIGN(select,
                    connection->session.prepare("SELECT position FROM tracking WHERE source = ?"));
    select.bind_text(1, source);
    WEIR_TRY_ASSIGN(row, select.step());
    if (!row) return std::optional<std::uint64_t>();
    return std::optional(static_cast<std::uint64_t>(select.integer(0)));
  }

 private:
  Result<void> start_maintenance() {
    const std::lock_guard lock(mutex_);
    if (!indexer_) {
      WEIR_TRY_ASSIGN(indexer, begin_threads([this] {
                        return std::make_unique<Indexer>(file_, connection_, queue_);
                      }));
      indexer_ = std::move(indexer);
    }
    if (!checkpointer_) {
      WEIR_TRY_ASSIGN(checkpointer, begin_threads([this] {
                        return std::make_unique<Checkpointer>(file_, connection_);
                      }));
      checkpointer_ = std::move(checkpointer);
    }
    return {};
  }

  Result<void> transact(const std::function<Result<void>(WriteConnection::Open&)>& work) {
    WEIR_TRY_ASSIGN(open, connection_->begin());
    if (const auto worked = work(*open); !worked) {
      connection_->rollback();
      return worked.error();
    }
    return connection_->commit(0);
  }

  std::shared_ptr<File> file_;
  std::shared_ptr<IndexQueue> queue_;
  std::shared_ptr<WriteConnection> connection_;
  std::mutex mutex_;
  Position looked_at_;
  std::unique_ptr<Indexer> indexer_;
  std::unique_ptr<Checkpointer> checkpointer_;
};

Error not_found(const std::string& name) {
  return {.code = Code::not_found,
          .reason = Reason::log_not_found,
          .message = fmt::format("log '{}' does not exist; create it with: weir log create {}",
                                 name, name),
          .details = {{"log", name}}};
}

Error no_place(const std::string& name, const std::string& path) {
  return invalid_field("log", fmt::format("'{}' would lie in '{}', which is what a file beside "
                                          "another log's is called; take another name, or a store "
                                          "whose file has an extension",
                                          name, path));
}

/// Errors: already_exists (somebody else has made it by now, or is at it), unknown, and SQLite's.
Result<void> try_to_make_file(FileOptions options) {
  WEIR_TRY_ASSIGN(unfinished, UnfinishedFile::create(options.path, UnfinishedFile::Others::wait));
  options.path = unfinished->path();
  {
    WEIR_TRY_ASSIGN(session, open_for_writing(options));
    WEIR_TRY(migrate(session, options));
    // Nobody is told of a checkpoint that fails when it is closed, and the file alone is renamed.
    WEIR_TRY(session.checkpoint_whole());
  }
  return unfinished->finish();
}

/// Makes the file of a log that is not there, so that nobody ever sees half of one. Of several who
/// do, all but the first wait, and make it themselves should the first have failed.
Result<void> make_file(const FileOptions& options) {
  constexpr int tries_max = 8;
  for (int tries = 1; !std::filesystem::exists(options.path); ++tries) {
    const auto made = try_to_make_file(options);
    if (made) return {};
    const auto& error = made.error();
    if (error.code == Code::unknown) return unavailable(error.message);
    if (error.code != Code::already_exists || tries == tries_max) return error;
  }
  return {};
}

}  // namespace

std::unique_ptr<engine::Backend> make_backend(std::shared_ptr<File> file) {
  return std::make_unique<FileBackend>(std::move(file));
}

Result<std::shared_ptr<Store>> Store::open(StoreOptions options,
                                           std::shared_ptr<engine::Threads> threads) {
  if (options.path.empty()) return invalid_field("store", "the path of the file is missing");
  WEIR_TRY_ASSIGN(path, real_path(options.path));
  options.path = std::move(path);
  const auto folder = std::filesystem::path(options.path).parent_path();
  std::error_code error;
  if (options.create && !folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    return unavailable(
        fmt::format("can't make the folder '{}': {}", folder.string(), error.message()));
  }
  auto store = std::shared_ptr<Store>(new Store(std::move(options), std::move(threads)));
  const auto& made = store->options_;
  WEIR_TRY(check(made.default_log));
  WEIR_TRY(store->open_file(std::string(default_log), made.default_log, made.create));
  return store;
}

Result<std::shared_ptr<engine::Log>> Store::open_file(const std::string& name,
                                                      const LogOptions& log, bool create) {
  const std::lock_guard lock(mutex_);
  if (const auto known = open_.find(name); known != open_.end()) return known->second;
  const auto path = path_of(options_.path, name);
  if (log_at(options_.path, std::filesystem::path(path).filename()) != name) {
    return no_place(name, path);
  }
  if (!create && !std::filesystem::exists(path)) return not_found(name);
  const FileOptions options{.path = path,
                            .name = name,
                            .log = log,
                            .create = create,
                            .checkpoint_bytes = options_.checkpoint_bytes,
                            .segment_events = options_.segment_events,
                            .vfs = options_.vfs,
                            .kept = kept_,
                            .reporting = options_.reporting};
  if (create) WEIR_TRY(make_file(options));
  WEIR_TRY_ASSIGN(file, File::open(options));
  WEIR_TRY_ASSIGN(opened, begin_threads([&] {
                    return std::make_shared<engine::Log>(make_backend(file), file->tail(),
                                                         file->hasher(), threads_, system_clock(),
                                                         options_.engine);
                  }));
  open_[name] = opened;
  files_.push_back(std::move(file));
  return opened;
}

Result<std::vector<LogInfo>> Store::list(CallOptions call) {
  const std::filesystem::path path(options_.path);
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (auto name = log_at(options_.path, entry.path().filename())) {
      names.push_back(std::move(*name));
    }
  }
  if (error) return unavailable(fmt::format("'{}': {}", folder.string(), error.message()));
  std::sort(names.begin(), names.end());
  std::vector<LogInfo> logs;
  for (const auto& name : names) {
    WEIR_TRY_ASSIGN(log, open(name, call));
    auto info = log->info();
    WEIR_TRY_ASSIGN(head, log->head(call));
    info.head = head;
    logs.push_back(std::move(info));
  }
  return logs;
}

Result<LogInfo> Store::create(const std::string& name, const LogOptions& options, CallOptions) {
  WEIR_TRY(check_log_name(name));
  WEIR_TRY(check(options));
  WEIR_TRY_ASSIGN(log, open_file(name, options, true));
  if (log->info().options != options) {
    return Error{.code = Code::already_exists,
                 .reason = Reason::log_exists,
                 .message = fmt::format("log '{}' exists with other indexed keys", name),
                 .details = {{"log", name}}};
  }
  return log->info();
}

Result<std::shared_ptr<EventStore>> Store::open(const std::string& name, CallOptions) {
  WEIR_TRY(check_log_name(name));
  WEIR_TRY_ASSIGN(log, open_file(name, {}, false));
  return std::shared_ptr<EventStore>(std::move(log));
}

std::vector<HealthCheck> Store::health() {
  HealthCheck check{.name = "store",
                    .data = {{"engine", "sqlite"},
                             {"path", options_.path},
                             {"durability", "each commit is synced to the disk"}}};
  std::error_code error;
  if (const auto file = std::filesystem::file_size(options_.path, error); !error) {
    check.data.emplace_back("file_bytes", static_cast<std::int64_t>(file));
  } else {
    check.worsen(HealthStatus::unhealthy, fmt::format("'{}': {}", options_.path, error.message()));
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& file : files_) {
      const auto placed = file->check_place();
      if (!placed) check.worsen(HealthStatus::unhealthy, placed.error().message);
    }
  }
  const auto folder = std::filesystem::absolute(options_.path, error).parent_path();
  if (const auto space = std::filesystem::space(folder, error); !error) {
    const auto free = static_cast<std::int64_t>(space.available);
    check.data.emplace_back("disk_free_bytes", free);
    if (free < disk_free_low) {
      check.worsen(HealthStatus::degraded,
                   fmt::format("the disk of '{}' has {} MiB left", options_.path, free >> 20));
    }
  } else {
    check.worsen(HealthStatus::degraded, fmt::format("the free space of '{}' can't be told: {}",
                                                     folder.string(), error.message()));
  }
  return {std::move(check)};
}

}  // namespace weir::sqlite
