#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <weir/store/sqlite/file.hpp>
#include <weir/store/sqlite/index_steps.hpp>
#include <weir/store/sqlite/reading.hpp>
#include <weir/store/sqlite/row.hpp>

namespace weir::sqlite {

/// The one connection of a process that writes to a log's file. After an I/O error it is closed,
/// and opened anew for the next transaction, so that nothing rests on a state that may not be on
/// disk. Threads: any; a transaction holds it until it is committed or rolled back.
class WriteConnection {
 public:
  struct Open {
    Session session;
    Statement begin, commit, rollback, last, mark, key, tracked, missed;
    Statement put_key, forget_keys, put_tracking, put_snapshot, delete_snapshot;
    RowWriter rows;
    RowReader row;
    IndexApplier index;
  };

  WriteConnection(std::shared_ptr<File> file, std::shared_ptr<IndexQueue> queue)
      : file_(std::move(file)), queue_(std::move(queue)) {}

  /// Locks this connection, and then the file against other processes.
  /// Errors: deadline_exceeded (others held the file until then), unavailable, data_loss.
  Result<Open*> begin(std::optional<Instant> deadline = std::nullopt);
  /// With some waiting steps of the index. Lets go of the lock whatever happens.
  Result<void> commit(std::size_t events);
  void rollback();
  /// The index is this process's to change from now on, until another process does the same: steps
  /// that wait anywhere are void. Call it with no transaction open.
  Result<void> take_index();

  /// With a transaction open: what waits was worked out for an index that is gone.
  void lose_index() { queue_->lose(); }

  /// Runs `work` while no transaction of this process writes.
  Result<void> exclusively(const std::function<Result<void>()>& work);
  /// Pages in the write-ahead log after the last commit.
  int wal_pages() const { return wal_pages_.load(std::memory_order_relaxed); }
  void checkpointed() { wal_pages_.store(0, std::memory_order_relaxed); }

 private:
  Result<std::unique_ptr<Open>> open();
  Result<std::vector<const IndexStep*>> apply_index(std::size_t events);
  Error failed(const Error& error);

  std::shared_ptr<File> file_;
  std::shared_ptr<IndexQueue> queue_;
  std::mutex mutex_;
  std::unique_ptr<Open> open_;
  std::atomic<int> wal_pages_ = 0;
};

/// The Writer of a log in a file.
class FileWriter final : public engine::Writer {
 public:
  FileWriter(std::shared_ptr<File> file, std::shared_ptr<WriteConnection> connection)
      : file_(std::move(file)), connection_(std::move(connection)) {}

  Result<engine::Begun> begin(const engine::BeginRequest& request) override;
  /// On a connection of its own: readers wait for no writer.
  Result<ReadStep> read_step(const ReadRequest& request) override {
    return sqlite::read_step(*file_, request);
  }
  Result<void> commit(const engine::Group& group) override;
  void rollback() override { connection_->rollback(); }

 private:
  Result<engine::Begun> look(WriteConnection::Open& open, const engine::BeginRequest& request);
  Result<void> write(WriteConnection::Open& open, const engine::Group& group);
  void keep(const engine::Group& group);

  std::shared_ptr<File> file_;
  std::shared_ptr<WriteConnection> connection_;
  WriteConnection::Open* open_ = nullptr;
  /// Of the database, in the transaction under way.
  File::State state_;
  std::optional<KeptOf> kept_;
};

}  // namespace weir::sqlite
