#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <weir/store/sqlite/file.hpp>
#include <weir/store/sqlite/index_steps.hpp>
#include <weir/store/sqlite/write_connection.hpp>

namespace weir::sqlite {

/// Keeps one log's index in order, on a thread of its own: works out new runs from the tail (what
/// other processes appended and the tail does not have, from the file) and merges of old ones,
/// hands them to the writer in small steps, and carries them out itself when nobody writes. One
/// process at a time does it for a file, by a lock on PATH-indexer; the others look on. Should that
/// lock fail to keep others away, the index's generation does: see IndexQueue. Threads: any.
class Indexer {
 public:
  Indexer(std::shared_ptr<File> file, std::shared_ptr<WriteConnection> writer,
          std::shared_ptr<IndexQueue> queue);
  ~Indexer();
  Indexer(const Indexer&) = delete;
  Indexer& operator=(const Indexer&) = delete;

  /// Blocks the caller until everything sealed is in runs and merged; for tests and benchmarks.
  Result<void> settle();

 private:
  class Merge;

  void run();
  Result<bool> work();
  Result<std::shared_ptr<const RunSet>> look();
  Result<void> take_over();
  Result<void> look_on();
  bool work_is_due() const;
  bool lock_file();
  bool time_to_look();
  Result<bool> flush_next();
  Result<void> flush(const engine::Segment& segment);
  Result<engine::Segment> from_file(Position after, Position until);
  static std::vector<std::shared_ptr<const Run>> next_merge(const RunSet& set);
  Result<void> merge(const std::vector<std::shared_ptr<const Run>>& runs);
  Result<void> drain(std::size_t left);
  Result<void> drain_all();
  Result<void> still_ours() const;
  Result<void> push(std::vector<InsertBlock>& blocks);
  Result<void> remove_blocks(std::int64_t first, std::int64_t end);
  void publish(Run run, std::vector<std::int64_t> replaces);
  BlockBuilder::Sink collect(Run& run, std::vector<InsertBlock>& blocks);
  bool stopping();

  std::shared_ptr<File> file_;
  std::shared_ptr<WriteConnection> writer_;
  std::shared_ptr<IndexQueue> queue_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool idle_ = false;
  std::condition_variable became_idle_;

  // The thread's own.
  int lock_ = -1;
  std::uint64_t rewinds_ = 0;              ///< of the log, when it was looked at
  std::shared_ptr<const RunSet> planned_;  ///< the runs as they will be once the queue is empty
  std::int64_t next_block_ = 1;
  std::int64_t next_run_ = 1;
  std::unique_ptr<ReadConnection> connection_;
  Instant looked_;
  std::shared_ptr<const RunSet> seen_ = std::make_shared<RunSet>();  ///< when it looked on
  Position head_;  ///< of the log, when it was looked at

  std::jthread thread_;
};

}  // namespace weir::sqlite
