#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <weir/sql/sqlite/change_watch.hpp>
#include <weir/sql/sqlite/session.hpp>
#include <weir/store/engine/backend.hpp>
#include <weir/store/engine/tail.hpp>
#include <weir/store/engine/terms.hpp>
#include <weir/store/sqlite/kept.hpp>
#include <weir/store/sqlite/path.hpp>
#include <weir/store/sqlite/row.hpp>
#include <weir/store/sqlite/runs.hpp>

namespace weir::sqlite {

/// Version of the schema that this program reads and writes.
inline constexpr int schema_version = 1;

struct FileOptions {
  std::string path;
  /// Of the log, when the file is made.
  std::string name = "default";
  LogOptions log = {};
  bool create = false;
  /// Connections for reading, opened as needed. Default 16.
  std::size_t readers_max = 16;
  /// KiB of pages each reading connection keeps. Default 4 MiB; the system's cache does the rest.
  int reader_cache_kib = 4 * 1024;
  /// KiB of pages the writing connection keeps. Default 64 MiB.
  int writer_cache_kib = 64 * 1024;
  std::chrono::milliseconds busy_timeout{5000};
  /// Bytes of write-ahead log after which it is copied into the file. Default 32 MiB.
  std::int64_t checkpoint_bytes = 32 << 20;
  /// Events of a segment of the tail, which is what the smallest run indexes. Default 16,384.
  std::size_t segment_events = 16'384;
  /// Name of a VFS other than the system's; for tests.
  const char* vfs = nullptr;
  /// What is kept in memory, shared with other files. Default: its own.
  std::shared_ptr<Kept> kept = nullptr;
  /// Of the statements.
  sql::StatementReporting reporting = {};
};

/// A connection for reading with its statements.
struct ReadConnection {
  static Result<std::unique_ptr<ReadConnection>> open(const FileOptions& options);
  /// The log's last position, 0 when there is none.
  Result<Position> read_head();

  Session session;
  Statement begin, commit, head, generation, mark, one, forwards, backwards;
  BlockReader blocks;
  RowReader row;
};

/// One log in one database file: what reading, writing and indexing share.
/// Threads: any.
class File {
 public:
  /// Opens the file, makes or migrates its schema, and indexes the end of the log in memory.
  /// Errors: not_found, failed_precondition (a newer schema), unavailable, data_loss.
  static Result<std::shared_ptr<File>> open(FileOptions options);
  /// The same without touching the events, for who looks at a file that may be damaged. Its tail is
  /// empty: nothing may be read by it.
  static Result<std::shared_ptr<File>> open_to_look(FileOptions options);

  ~File();

  const FileOptions& options() const { return options_; }
  const LogInfo& info() const { return info_; }
  /// Errors: unavailable when the file was moved, removed or replaced since it was opened: what is
  /// written to it then, nobody finds.
  Result<void> check_place() const;
  /// Opens one that is not to be leased.
  /// Errors: as check_place(), and those of opening.
  Result<std::unique_ptr<ReadConnection>> open_reader() const;
  const engine::TermHasher& hasher() const { return *hasher_; }
  const std::shared_ptr<engine::Tail>& tail() const { return tail_; }

  /// What is kept of the log as it is now. To be asked for before the transaction that it is used
  /// with sees the log.
  KeptOf kept() const { return {*kept_, kept_as_}; }
  /// The file was replaced by another, or put back to an older state: what is kept of it means
  /// nothing, and what others still put into kept() as they had it, nobody finds.
  void forget();
  /// Whether the log, as the connection's transaction sees it, has the last event that was known
  /// before that began. If not, it was put back to an older state, and all that is known of it is
  /// forgotten: what was taken from memory is worth nothing, and whoever asked begins again.
  Result<bool> still_holds(ReadConnection& connection, const engine::Tail::Known& known,
                           Position head);

  /// Where the log ends, and the index.
  struct End {
    Position head;
    std::shared_ptr<const RunSet> runs;
  };
  using State = std::optional<ChangeWatch::State>;
  /// The state of the database at this moment; nothing when it can't be told without asking it.
  State state() const { return watch_ && !blind_ ? watch_->state() : std::nullopt; }
  /// The end at this moment, as far as it is known without asking the database: for as long as
  /// nobody, in whatever process, has committed anything since it was.
  std::optional<End> end() const;
  /// A transaction that began after `state` saw this end.
  void saw_end(const State& state, End end);
  /// A commit of ours on top of `state` moved the end to `head`.
  void moved_end(const State& state, Position head);
  /// The index is to be looked at anew.
  void forget_end();

  /// A reading connection, given back on destruction.
  class Lease {
   public:
    Lease(File& file, std::unique_ptr<ReadConnection> connection)
        : file_(&file), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    ~Lease();
    /// Closes the connection instead: whatever state it is in, nothing is read by it again.
    void discard();
    ReadConnection& operator*() { return *connection_; }
    ReadConnection* operator->() { return connection_.get(); }

   private:
    File* file_;
    std::unique_ptr<ReadConnection> connection_;
  };
  /// Errors: deadline_exceeded, and as open_reader().
  Result<Lease> lease(const CallOptions& call);

  /// The runs as the connection's open transaction sees them. `kept`: of before it began.
  Result<std::shared_ptr<const RunSet>> runs(ReadConnection& connection, const KeptOf& kept);

  /// Works out the terms of the events in (after, until], some thousands at a time: for each event
  /// the number of its terms, and all the terms in order.
  using TakeTerms = std::function<void(Position first, std::span<const std::uint32_t> counts,
                                       std::span<const engine::Term> terms)>;
  Result<void> terms_of(ReadConnection& connection, Position after, Position until,
                        const TakeTerms& take);

  /// Brings the tail up to `head`, which the connection's transaction sees, when it is behind.
  /// `known`: see still_holds().
  Result<void> catch_up(ReadConnection& connection, const engine::Tail::Known& known, Position head,
                        Position reached);

 private:
  explicit File(FileOptions options);
  Result<void> load_meta();
  Result<void> load_tail();
  Result<void> watch_changes();
  void give_back(std::unique_ptr<ReadConnection> connection);

  FileOptions options_;
  std::optional<FileId> id_;
  LogInfo info_;
  std::unique_ptr<engine::TermHasher> hasher_;
  std::shared_ptr<engine::Tail> tail_;
  const std::shared_ptr<Kept> kept_;
  std::atomic<std::uint64_t> kept_as_;

  /// Null where there is no telling.
  std::unique_ptr<ChangeWatch> watch_;
  /// It watches a file that another has taken the place of.
  std::atomic<bool> blind_ = false;
  mutable std::mutex end_mutex_;
  /// What was known in a state of the database; of use while it is in that.
  State end_state_;
  End end_;

  std::mutex lease_mutex_;
  std::condition_variable lease_freed_;
  std::vector<std::unique_ptr<ReadConnection>> free_;
  std::size_t leased_ = 0;

  std::mutex runs_mutex_;
  std::shared_ptr<const RunSet> runs_ = std::make_shared<RunSet>();
  std::mutex catch_up_mutex_;
};

/// Makes the schema, or brings an older one up to date, under the file's write lock.
Result<void> migrate(Session& session, const FileOptions& options);

/// Settings of a connection that writes.
Result<Session> open_for_writing(const FileOptions& options);

Result<std::shared_ptr<const RunSet>> load_runs(Session& session, std::int64_t generation,
                                                const RunSet& known);

}  // namespace weir::sqlite
