#include <weir/store/engine/live.hpp>

#include <pthread.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

namespace weir::engine {
namespace {

std::optional<Mark> last_mark(const Batch& batch) {
  std::optional<Mark> mark;
  for (const auto& event : batch) {
    if (event.position() == batch.last()) mark = mark_of(event);
  }
  return mark;
}

/// Subscriptions that read the store while the ring can't be filled leave so many marks at most.
constexpr std::size_t ahead_max = 1024;

Batch past(const Batch& batch, Position position) {
  BatchBuilder builder;
  builder.reserve(batch.bytes());
  for (const auto& event : batch) {
    if (event.position() > position) builder.add(event.position(), event.wire());
  }
  return std::move(builder).build();
}

}  // namespace

Live::Live(Backend& backend, LiveOptions options)
    : backend_(backend), options_(options), thread_([this] { run(); }) {
  try {
    backend_.on_change_elsewhere([this] { advanced(Position()); });
  } catch (const std::system_error&) {
    shut_down();  // the thread would be waited for for ever
    throw;
  }
}

Live::~Live() {
  backend_.on_change_elsewhere(nullptr);
  shut_down();
}

void Live::advanced(Position) {
  const std::lock_guard lock(mutex_);
  dirty_ = true;
  if (subscribers_ > 0) changed_.notify_one();
}

void Live::shut_down() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.request_stop();
  changed_.notify_all();
  wake_all();
}

std::uint64_t Live::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}

std::size_t Live::subscribers() const {
  const std::lock_guard lock(mutex_);
  return subscribers_;
}

bool Live::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

std::uint64_t Live::enter(const Cursor& cursor) {
  const std::lock_guard lock(mutex_);
  ++subscribers_;
  changed_.notify_one();
  cursors_.emplace(next_id_, &cursor);
  return next_id_++;
}

std::optional<Position> Live::slowest() const {
  const std::lock_guard lock(mutex_);
  std::optional<Position> slowest;
  for (const auto& [id, cursor] : cursors_) {
    const Position at(cursor->load(std::memory_order_relaxed));
    if (!slowest || at < *slowest) slowest = at;
  }
  return slowest;
}

void Live::leave(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(id);
  cursors_.erase(id);
  if (--subscribers_ > 0) return;
  // Nobody listens: keep nothing, and begin afresh for the next.
  drop_ring();
}

/// With the lock held.
void Live::drop_ring() {
  ring_started_ = false;
  ring_.clear();
  ring_bytes_ = 0;
  mark_.reset();
  ahead_.clear();
  seen_ = Position();
}

Live::Recent Live::recent(Position cursor) const {
  const std::lock_guard lock(mutex_);
  Recent recent{.rewinds = rewinds_, .rewound_to = rewound_to_};
  if (!ring_started_ || cursor < ring_begin_) return recent;
  recent.in_ring = true;
  recent.head = ring_end_;
  recent.end = std::max(ring_end_, cursor);
  for (auto chunk = ring_.rbegin(); chunk != ring_.rend() && (*chunk)->last() > cursor; ++chunk) {
    recent.chunks.push_back(*chunk);
  }
  std::reverse(recent.chunks.begin(), recent.chunks.end());
  return recent;
}

bool Live::wait_past(Position cursor, std::uint64_t id, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  if (ring_started_ && (ring_end_ > cursor || cursor < ring_begin_)) return false;
  waiting_[id] = std::move(wake);
  return true;
}

bool Live::park(std::uint64_t id, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  waiting_[id] = std::move(wake);
  parked_ = dirty_ = true;
  changed_.notify_one();
  return true;
}

void Live::wake_all() {
  std::map<std::uint64_t, std::function<void()>> woken;
  {
    const std::lock_guard lock(mutex_);
    parked_ = false;
    woken.swap(waiting_);
  }
  for (auto& [id, wake] : woken) wake();
}

void Live::wake_one(std::uint64_t id) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    wake = std::move(found->second);
    waiting_.erase(found);
  }
  wake();
}

void Live::run() {
  pthread_setname_np(pthread_self(), "weir-live");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (subscribers_ == 0) {
      changed_.wait(lock, [this] { return stopping_ || subscribers_ > 0; });
    } else if (ring_started_ && !dirty_) {
      changed_.wait_for(lock, options_.look_every,
                        [this] { return stopping_ || dirty_ || !ring_started_; });
    }
    if (stopping_ || subscribers_ == 0) continue;
    const bool look = ring_started_ && !dirty_;
    if (look) {
      lock.unlock();
      const bool changed = backend_.changed_elsewhere();
      lock.lock();
      dirty_ = dirty_ || changed;
      continue;
    }
    const bool parked = parked_;
    // Should only those reads fail, they are not tried without a pause.
    if (parked) changed_.wait_for(lock, options_.look_every, [this] { return stopping_; });
    dirty_ = false;
    lock.unlock();
    const auto filled = fill();
    // One read succeeded, so those whose own failed may try again.
    if (filled && parked) wake_all();
    lock.lock();
    if (!filled && !stopping_) pause(lock, filled.error());
  }
}

/// What was announced is still to be read, once the store is back.
void Live::pause(std::unique_lock<std::mutex>& lock, const Error& why) {
  dirty_ = true;
  const auto asked = why.retry_after.value_or(options_.look_every);
  const auto length =
      std::clamp(asked, options_.look_every, std::max(options_.look_every, options_.pause_max));
  changed_.wait_for(lock, length, [this] { return stopping_; });
}

Result<ReadStep> Live::read(const ReadRequest& request) {
  Position seen;
  std::uint64_t rewinds = 0;
  {
    const std::lock_guard lock(mutex_);
    seen = seen_;
    rewinds = rewinds_;
  }
  WEIR_TRY_ASSIGN(step, backend_.read_step(request));
  {
    const std::lock_guard lock(mutex_);
    const bool kept = rewinds == rewinds_ && subscribers_ > 0;
    if (kept && step.head >= seen) seen_ = std::max(seen_, step.head);
  }
  if (step.head >= seen) return step;
  rewound(rewinds, step.head);
  return log_rewound(step.head.value);
}

void Live::rewound(std::uint64_t before, Position head) {
  {
    const std::lock_guard lock(mutex_);
    if (rewinds_ != before) return;
    ++rewinds_;
    rewound_to_ = head;
    drop_ring();
    dirty_ = true;
    changed_.notify_one();
  }
  wake_all();
}

Result<Position> Live::look(const CallOptions& call) {
  while (true) {
    std::uint64_t rewinds = 0;
    {
      const std::lock_guard lock(mutex_);
      rewinds = rewinds_;
    }
    WEIR_TRY_ASSIGN(step, read({.direction = Direction::backwards, .limit = 1, .call = call}));
    const auto mark = last_mark(step.batch);
    if (!mark) return step.head;
    {
      const std::lock_guard lock(mutex_);
      if (rewinds != rewinds_) return log_rewound(rewound_to_.value);
      const auto known = ahead_.empty() ? mark_ : ahead_.back();
      if (known == mark) return step.head;
      if (!known || mark->position > known->position) {
        if (ahead_.size() == ahead_max) ahead_.pop_front();
        ahead_.push_back(*mark);
        return step.head;
      }
      // Others have seen more meanwhile.
      if (mark->position < known->position) continue;
    }
    rewound(rewinds, step.head);
    return log_rewound(step.head.value);
  }
}

/// From the first event that a subscription went by, or the log's end.
Result<void> Live::begin_ring(const CallOptions& call) {
  {
    const std::lock_guard lock(mutex_);
    if (start_ring()) return {};
  }
  WEIR_TRY_ASSIGN(head, look(call));
  const std::lock_guard lock(mutex_);
  if (start_ring() || head > Position()) return {};
  ring_begin_ = ring_end_ = Position();
  ring_started_ = subscribers_ > 0;
  return {};
}

/// With the lock held. False: nothing is known to begin with, or nobody listens any more.
bool Live::start_ring() {
  if (subscribers_ == 0) drop_ring();
  if (ahead_.empty()) return false;
  mark_ = ahead_.front();
  ahead_.pop_front();
  ring_begin_ = ring_end_ = mark_->position;
  ring_started_ = true;
  return true;
}

/// With the lock held. Whether what follows the ring's end has the events of the marks ahead.
bool Live::confirm_ahead(const ReadStep& step) {
  for (const auto& event : step.batch) {
    if (ahead_.empty()) return true;
    if (event.position() != ahead_.front().position) continue;
    if (mark_of(event) != ahead_.front()) return false;
    ahead_.pop_front();
  }
  return ahead_.empty() || ahead_.front().position > step.cursor;
}

Result<void> Live::fill() {
  const CallOptions call{.stop = stop_.get_token()};
  Position from;
  std::optional<Mark> known;
  std::uint64_t rewinds = 0;
  bool started = false;
  const auto begin = [&] {
    const std::lock_guard lock(mutex_);
    from = ring_end_;
    known = mark_;
    rewinds = rewinds_;
    started = ring_started_;
  };
  begin();
  bool begins = !started;
  if (!started) {
    WEIR_TRY(begin_ring(call));
    begin();
    if (!started) return {};
  }
  Result<void> reached;
  const auto before = from;
  // Each of these steps begins with the last event that is known, unless that is all that it holds.
  bool alone = false;
  while (true) {
    const bool again = known && known->position == from && !alone;
    auto step = read({.after = again ? from.previous() : from, .call = call});
    if (!step) {
      reached = step.error();
      break;
    }
    if (again) {
      const bool same = !step->batch.empty() && mark_of(*step->batch.begin()) == *known;
      if (!same) {
        rewound(rewinds, step->head);
        return {};
      }
      step->batch = past(step->batch, from);
    }
    alone = again && step->batch.empty();
    std::unique_lock lock(mutex_);
    if (!std::exchange(begins, false)) ++reads_;
    if (!ring_started_ || ring_end_ != from) return {};
    if (!confirm_ahead(*step)) {
      lock.unlock();
      rewound(rewinds, step->head);
      return {};
    }
    if (!step->batch.empty()) {
      mark_ = known = last_mark(step->batch);
      ring_bytes_ += step->batch.bytes();
      ring_.push_back(std::make_shared<const Batch>(std::move(step->batch)));
    }
    from = ring_end_ = std::max(ring_end_, step->cursor);
    while (ring_bytes_ > options_.ring_bytes_max && ring_.size() > 1) {
      ring_bytes_ -= ring_.front()->bytes();
      ring_begin_ = ring_.front()->last();
      ring_.pop_front();
    }
    if (step->end) break;
  }
  if (reached || from > before) wake_all();
  return reached;
}

}  // namespace weir::engine
