#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include <weir/store/sqlite/runs.hpp>

namespace weir::sqlite {

/// The index is written in small steps, a few with each commit of the log, so that no append waits
/// for more than a few of them.
struct InsertBlock {
  std::int64_t id = 0;
  std::string postings;
};
struct DeleteBlocks {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
/// Makes a run visible, in place of those it was merged from. Its blocks are all there by then.
struct PublishRun {
  Run run;
  std::vector<std::int64_t> replaces;
};
using IndexStep = std::variant<InsertBlock, DeleteBlocks, PublishRun>;

/// Steps between the thread that works them out and the transactions that carry them out. They are
/// carried out only while the file's index is of the generation that they were worked out for: what
/// another process has begun to change is left to it.
/// Threads: any. restart(), peek(), done() and lose(): those that hold the writing connection.
class IndexQueue {
 public:
  /// Steps that may wait before the thread that works them out lends a hand: 4 MiB of blocks.
  static constexpr std::size_t steps_max = 1024;

  /// Forgets what waits; what comes is for an index of that generation.
  void restart(std::int64_t generation);
  /// Dropped when the queue is lost.
  void push(IndexStep step);
  /// How many of the first steps a commit of so many events should carry out.
  std::size_t share(std::size_t events) const;
  std::size_t size() const;
  /// The first steps; they stay until done() says that they are on disk.
  std::vector<const IndexStep*> peek(std::size_t count) const;
  void done(const std::vector<const IndexStep*>& steps);
  std::int64_t generation() const;
  /// The index is not what the steps were worked out for: forgets them, and what comes until
  /// restart().
  void lose();
  bool lost() const;

 private:
  mutable std::mutex mutex_;
  std::deque<IndexStep> steps_;
  std::int64_t generation_ = 0;
  bool lost_ = false;
};

/// Carries steps out inside a transaction that somebody else began.
/// Threads: its session's.
class IndexApplier {
 public:
  static Result<IndexApplier> create(Session& session);
  Result<void> apply(const IndexStep& step);
  /// Of the index, as the transaction sees it.
  Result<std::int64_t> generation();
  /// Begins the next one, so that the steps of whoever knows only an older one count for nothing.
  Result<void> advance();

 private:
  IndexApplier(Statement insert, Statement remove, Statement publish, Statement replace,
               Statement advance, Statement generation);
  Result<void> apply(const InsertBlock& step);
  Result<void> apply(const DeleteBlocks& step);
  Result<void> apply(const PublishRun& step);

  Statement insert_;
  Statement remove_;
  Statement publish_;
  Statement replace_;
  Statement advance_;
  Statement generation_;
};

}  // namespace weir::sqlite
