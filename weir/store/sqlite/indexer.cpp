#include <weir/store/sqlite/indexer.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include <spdlog/spdlog.h>

namespace weir::sqlite {
namespace {

/// Runs of one level that are merged into one of the next.
constexpr std::size_t fan_in = 8;
/// How often the thread looks whether there is something to do; more seldom while nobody appends.
constexpr std::chrono::milliseconds look_every{10};
constexpr std::chrono::milliseconds look_every_max{640};
/// How often it looks at what other processes did.
constexpr std::chrono::seconds look_at_others_every{1};
/// Blocks that one step removes, and such steps that wait at a time: a commit removes some hundreds
/// of blocks at most, however many a merge leaves behind.
constexpr std::int64_t removed_in_step = 8;
constexpr std::size_t removals_waiting = 64;
/// Steps carried out in one transaction when nobody else writes.
constexpr std::size_t idle_events = 2560;

}  // namespace

/// Several neighbouring runs becoming one, a few blocks at a time: the postings of one term are
/// simply put one behind the other, since the runs' positions follow each other.
class Indexer::Merge {
 public:
  Merge(std::vector<std::shared_ptr<const Run>> runs, BlockReader& blocks, BlockBuilder::Sink sink)
      : runs_(std::move(runs)), blocks_(blocks), builder_(std::move(sink)), inputs_(runs_.size()) {}

  /// Writes the postings of one more term; false when there are none left.
  Result<bool> step() {
    std::optional<Term> term;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      WEIR_TRY(fill(i));
      if (!inputs_[i].empty()) {
        const auto first = inputs_[i].front().first;
        term = term ? std::min(*term, first) : first;
      }
    }
    if (!term) {
      builder_.finish();
      return false;
    }
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      // A term's list may go on in the next block.
      while (!inputs_[i].empty() && inputs_[i].front().first == *term) {
        for (const auto position : inputs_[i].front().second) builder_.add({*term, position});
        inputs_[i].pop_front();
        WEIR_TRY(fill(i));
      }
    }
    return true;
  }

 private:
  struct Input : std::deque<std::pair<Term, std::vector<Position>>> {
    std::size_t next_block = 0;
  };

  Result<void> fill(std::size_t i) {
    auto& input = inputs_[i];
    if (!input.empty() || input.next_block == runs_[i]->fences.size()) return {};
    WEIR_TRY_ASSIGN(
        block, blocks_.read(runs_[i]->first_block + static_cast<std::int64_t>(input.next_block++)));
    const auto read = read_block(block, [&](Term term, std::vector<Position>& positions) {
      input.emplace_back(term, std::move(positions));
      return true;
    });
    blocks_.release();
    return read;
  }

  std::vector<std::shared_ptr<const Run>> runs_;
  BlockReader& blocks_;
  BlockBuilder builder_;
  std::vector<Input> inputs_;
};

Indexer::Indexer(std::shared_ptr<File> file, std::shared_ptr<WriteConnection> writer,
                 std::shared_ptr<IndexQueue> queue)
    : file_(std::move(file)),
      writer_(std::move(writer)),
      queue_(std::move(queue)),
      thread_([this] { run(); }) {}

Indexer::~Indexer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  became_idle_.notify_all();
  thread_.join();
  if (lock_ >= 0) ::close(lock_);
}

Result<void> Indexer::settle() {
  std::unique_lock lock(mutex_);
  idle_ = false;
  wake_.notify_all();
  became_idle_.wait(lock, [this] { return idle_ || stopping_; });
  return {};
}

void Indexer::run() {
  pthread_setname_np(pthread_self(), "weir-index");
  auto pause = look_every;
  Position head;
  while (true) {
    const auto worked = work();
    if (!worked) {
      if (stopping()) return;
      // The log is the truth: without its index it is slower, not wrong. Begin again from what is
      // on disk.
      spdlog::warn("index of '{}': {}", file_->options().path, to_string(worked.error()));
      planned_.reset();
      connection_.reset();
    }
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (worked.ok() && *worked) {
      pause = look_every;
      continue;
    }
    if (worked.ok()) {
      idle_ = true;
      became_idle_.notify_all();
    }
    const auto before = std::exchange(head, file_->tail()->head());
    pause = head == before ? std::min(pause * 2, look_every_max) : look_every;
    if (!worked) pause = look_every * 100;
    wake_.wait_for(lock, pause, [&] { return stopping_ || (worked.ok() && !idle_); });
    if (stopping_) return;
  }
}

bool Indexer::lock_file() {
  if (lock_ >= 0) return true;
  const auto path = file_->options().path + "-indexer";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return false;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor);
    return false;
  }
  lock_ = descriptor;
  return true;
}

/// Begins a transaction, and looks at what it sees of the index and of the log.
Result<std::shared_ptr<const RunSet>> Indexer::look() {
  if (!connection_) {
    WEIR_TRY_ASSIGN(connection, file_->open_reader());
    connection_ = std::move(connection);
  }
  WEIR_TRY(connection_->begin.run());
  const auto kept = file_->kept();
  const auto known = file_->tail()->known();
  WEIR_TRY_ASSIGN(head, connection_->read_head());
  WEIR_TRY_ASSIGN(holds, file_->still_holds(*connection_, known, head));
  if (!holds) return unavailable("the log was put back to an older state");
  head_ = head;
  rewinds_ = known.rewinds;
  return file_->runs(*connection_, kept);
}

/// Learns what is on disk, and removes blocks that belong to no run: a process died over them.
Result<void> Indexer::take_over() {
  WEIR_TRY(writer_->take_index());
  WEIR_TRY_ASSIGN(runs, look());
  WEIR_TRY_ASSIGN(last_block,
                  connection_->session.query_integer("SELECT ifnull(max(id), 0) FROM block"));
  WEIR_TRY_ASSIGN(last_run,
                  connection_->session.query_integer("SELECT ifnull(max(id), 0) FROM run"));
  WEIR_TRY_ASSIGN(first_block,
                  connection_->session.query_integer("SELECT ifnull(min(id), 1) FROM block"));
  WEIR_TRY(connection_->commit.run());
  planned_ = std::move(runs);
  next_block_ = last_block + 1;
  next_run_ = last_run + 1;

  std::map<std::int64_t, std::int64_t> kept;
  for (const auto& run : planned_->runs) {
    kept.emplace(run->first_block,
                 run->first_block + static_cast<std::int64_t>(run->fences.size()));
  }
  auto from = first_block;
  for (const auto& [begin, end] : kept) {
    WEIR_TRY(remove_blocks(from, begin));
    from = end;
  }
  return remove_blocks(from, next_block_);
}

Result<void> Indexer::remove_blocks(std::int64_t first, std::int64_t end) {
  for (; first < end; first += removed_in_step) {
    queue_->push(DeleteBlocks{first, std::min(first + removed_in_step, end) - 1});
    WEIR_TRY(drain(removals_waiting));
  }
  return {};
}

/// Another process keeps the index, or nobody yet: what is in it, the tail of this one need not
/// keep.
Result<void> Indexer::look_on() {
  if (!time_to_look()) return {};
  WEIR_TRY_ASSIGN(runs, look());
  seen_ = std::move(runs);
  return connection_->commit.run();
}

/// Whether there is something to do. Until then a process that appends little need not commit
/// anything of its own for the index.
bool Indexer::work_is_due() const {
  const auto reached = seen_->reached();
  return head_.value >= reached.value + file_->options().segment_events ||
         !file_->tail()->sealed_past(reached).empty() || !next_merge(*seen_).empty();
}

bool Indexer::time_to_look() {
  const auto now = system_clock().instant();
  if (now < looked_ + look_at_others_every) return false;
  looked_ = now;
  return true;
}

Result<bool> Indexer::work() {
  if (!lock_file()) {
    WEIR_TRY(look_on());
    return false;
  }
  if (!planned_) {
    WEIR_TRY(look_on());
    if (!work_is_due()) return false;
    WEIR_TRY(take_over());
    return true;
  }
  WEIR_TRY(still_ours());
  WEIR_TRY_ASSIGN(flushed, flush_next());
  if (flushed) return true;
  // The blocks of what is merged must be on disk before they can be read.
  WEIR_TRY(drain_all());
  const auto runs = next_merge(*planned_);
  if (runs.empty()) return false;
  WEIR_TRY(merge(runs));
  return true;
}

bool Indexer::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

/// Waits until the writers have carried out all but `left` of the waiting steps, and lends a hand
/// when none comes along.
Result<void> Indexer::drain(std::size_t left) {
  while (queue_->size() > left) {
    const auto before = queue_->size();
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, look_every, [this] { return stopping_; });
      if (stopping_) return shutting_down();
    }
    if (queue_->size() < before) continue;
    WEIR_TRY(writer_->begin());
    WEIR_TRY(writer_->commit(idle_events));
  }
  return {};
}

/// Whether the steps that were planned still count.
Result<void> Indexer::still_ours() const {
  if (queue_->lost()) {
    return unavailable("it was changed by another process, or could not be written");
  }
  if (file_->tail()->rewinds() != rewinds_) {
    return unavailable("the log was put back to an older state");
  }
  return {};
}

/// Until all that is planned is on disk. The tail need not keep it then.
Result<void> Indexer::drain_all() {
  WEIR_TRY(drain(0));
  WEIR_TRY(still_ours());
  file_->tail()->indexed(planned_->reached());
  return {};
}

Result<void> Indexer::push(std::vector<InsertBlock>& blocks) {
  for (auto& block : blocks) queue_->push(std::move(block));
  blocks.clear();
  return drain(IndexQueue::steps_max);
}

BlockBuilder::Sink Indexer::collect(Run& run, std::vector<InsertBlock>& blocks) {
  return [this, &run, &blocks](Posting fence, std::string block) {
    run.fences.push_back(fence);
    blocks.push_back({next_block_++, std::move(block)});
  };
}

void Indexer::publish(Run run, std::vector<std::int64_t> replaces) {
  auto next = std::make_shared<RunSet>(*planned_);
  std::erase_if(next->runs, [&](const auto& r) {
    return std::find(replaces.begin(), replaces.end(), r->id) != replaces.end();
  });
  next->runs.push_back(std::make_shared<const Run>(run));
  std::sort(next->runs.begin(), next->runs.end(),
            [](const auto& a, const auto& b) { return a->first < b->first; });
  planned_ = std::move(next);
  queue_->push(PublishRun{std::move(run), std::move(replaces)});
}

/// Makes a run of some of the events that follow those in runs; false when they are too few yet.
Result<bool> Indexer::flush_next() {
  const auto reached = planned_->reached();
  const auto& tail = *file_->tail();
  const auto sealed = tail.sealed_past(reached);
  if (!sealed.empty() && sealed.front()->begin() <= reached) {
    WEIR_TRY(flush(*sealed.front()));
    return true;
  }
  // Other processes' appends: a tail that can't follow them begins anew behind them, and one that
  // nobody has used since has not heard of them.
  const auto enough = file_->options().segment_events;
  auto until = tail.begin();
  if (until <= reached) {
    if (head_.value < reached.value + enough && time_to_look()) {
      WEIR_TRY_ASSIGN(head, connection_->read_head());
      head_ = head;
    }
    if (head_.value >= std::max(reached, tail.head()).value + enough) until = head_;
  }
  if (until <= reached) return false;
  WEIR_TRY_ASSIGN(segment, from_file(reached, std::min(until, Position(reached.value + enough))));
  WEIR_TRY(flush(segment));
  return true;
}

Result<engine::Segment> Indexer::from_file(Position after, Position until) {
  engine::Segment segment(after);
  WEIR_TRY(file_->terms_of(
      *connection_, after, until,
      [&](Position, std::span<const std::uint32_t> counts, std::span<const engine::Term> terms) {
        for (const auto count : counts) {
          segment.add(segment.end().next(), terms.first(count));
          terms = terms.subspan(count);
        }
      }));
  return segment;
}

Result<void> Indexer::flush(const engine::Segment& segment) {
  Run run{.id = next_run_++,
          .level = 0,
          .first = planned_->reached().next(),
          .last = segment.end(),
          .first_block = next_block_,
          .fences = {}};
  std::vector<InsertBlock> blocks;
  BlockBuilder builder(collect(run, blocks));
  for (const auto& posting : segment.sorted()) {
    if (posting.position >= run.first) builder.add(posting);
  }
  builder.finish();
  WEIR_TRY(push(blocks));
  publish(std::move(run), {});
  return {};
}

std::vector<std::shared_ptr<const Run>> Indexer::next_merge(const RunSet& set) {
  const auto& runs = set.runs;
  // The newest runs have the lowest levels, so neighbours of one level stand together.
  for (std::size_t end = runs.size(); end >= fan_in; --end) {
    const auto same = [&](const auto& run) { return run->level == runs[end - 1]->level; };
    const auto last = runs.begin() + static_cast<std::ptrdiff_t>(end);
    const auto first = last - static_cast<std::ptrdiff_t>(fan_in);
    if (std::all_of(first, last, same)) return {first, last};
  }
  return {};
}

Result<void> Indexer::merge(const std::vector<std::shared_ptr<const Run>>& runs) {
  Run run{.id = next_run_++,
          .level = runs.front()->level + 1,
          .first = runs.front()->first,
          .last = runs.back()->last,
          .first_block = next_block_,
          .fences = {}};
  std::vector<InsertBlock> blocks;
  Merge merging(runs, connection_->blocks, collect(run, blocks));
  while (true) {
    WEIR_TRY_ASSIGN(more, merging.step());
    if (blocks.size() >= 16 || !more) {
      WEIR_TRY(push(blocks));
      if (stopping()) return shutting_down();
    }
    if (!more) break;
  }
  std::vector<std::int64_t> replaces;
  for (const auto& old : runs) replaces.push_back(old->id);
  publish(std::move(run), std::move(replaces));
  for (const auto& old : runs) {
    WEIR_TRY(remove_blocks(old->first_block,
                           old->first_block + static_cast<std::int64_t>(old->fences.size())));
  }
  return {};
}

}  // namespace weir::sqlite
