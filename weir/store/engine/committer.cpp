#include <weir/store/engine/committer.hpp>

#include <pthread.h>

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include <weir/base/batching.hpp>
#include <weir/base/may_block.hpp>

namespace weir::engine {
namespace {

/// Appends of a group from which on the writer waits for some of them to come back.
constexpr std::size_t lingers_from = 12;
constexpr std::chrono::microseconds lingers_max{500};
/// Groups in a row most of whose callers came back too late, after which it waits for half of them
/// only, and for how many groups.
constexpr int late_max = 2;
constexpr int halves_in_a_row = 64;

/// Appends up to which a thread that may block commits them itself, if the last commit took no
/// longer than this: with more of them the writing thread commits while others are taken.
constexpr std::size_t here_max = 8;
constexpr std::chrono::milliseconds here_within{1};

template <class Record>
const Record* find_key(const std::vector<Record>& records, std::string_view key) {
  const auto found = std::find_if(records.begin(), records.end(),
                                  [&](const Record& record) { return record.key == key; });
  return found == records.end() ? nullptr : &*found;
}

/// Whether a read that failed with it was the end of the transaction that it was part of.
bool is_lost(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::deadline_exceeded;
}

const Tracking* find_source(const std::vector<Tracking>& sources, std::string_view source) {
  const auto found = std::find_if(sources.begin(), sources.end(),
                                  [&](const Tracking& t) { return t.source == source; });
  return found == sources.end() ? nullptr : &*found;
}

}  // namespace

/// What the appends accepted so far will write.
struct Committer::Accepted {
  Accepted(Position at, Tail::Known by) : begin(at), head(at), known(std::move(by)), segment(at) {}

  Position begin;
  Position head;
  /// What the tail was when it had learned of the log as far as `begin`.
  Tail::Known known;
  Timestamp recorded_at;
  std::vector<NewEvent> events;
  std::vector<KeyRecord> keys;
  std::vector<Tracking> sources;
  /// Indexes the events for the conditions of later appends; only kept when there are such.
  Segment segment;
  bool indexing = false;
  std::size_t appends = 0;
  /// Why the transaction is over before its commit, when it is.
  std::optional<Error> lost = std::nullopt;
};

Committer::Committer(Backend& backend, Tail& tail, const TermHasher& hasher, const Clock& clock,
                     Executor& completions, CommitterOptions options,
                     std::function<void(Position)> advanced)
    : backend_(backend),
      tail_(tail),
      hasher_(hasher),
      clock_(clock),
      completions_(completions),
      options_(options),
      advanced_(std::move(advanced)),
      policy_(backend.append_policy()),
      thread_([this] { run(); }) {
  {
    const std::lock_guard lock(mutex_);
    wake_->committer = this;
  }
  if (policy_ == nullptr) return;
  try {
    watch_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
  } catch (const std::system_error&) {
    shut_down();  // the other thread would be waited for for ever
    throw;
  }
}

Committer::~Committer() {
  shut_down();
  watch_ = {};
}

void Committer::shut_down() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_->changed.notify_all();
  idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
  wake_->committer = nullptr;
}

std::size_t Committer::queue_depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

Result<void> Committer::room_for(const PendingAppend& pending) const {
  if (stopping_) return shutting_down();
  if (queue_.size() >= options_.queue_max) {
    return overloaded(
        fmt::format("{} appends wait, the limit is {}", queue_.size(), options_.queue_max),
        overload_delay);
  }
  if (queue_bytes_ + pending.bytes > options_.queue_bytes_max) {
    return overloaded(fmt::format("{} bytes of appends wait, the limit is {}", queue_bytes_,
                                  options_.queue_bytes_max),
                      overload_delay);
  }
  return {};
}

Result<Appended> Committer::append(std::unique_ptr<PendingAppend> pending) {
  std::unique_lock lock(mutex_);
  WEIR_TRY(admit(*pending));
  if (!busy_ && !lingering_ && queue_.empty()) {
    // Nobody else is committing: no hand-over to the writing thread.
    busy_ = true;
    ++groups_;
    lock.unlock();
    commit({pending.get()});
    lock.lock();
    busy_ = false;
    const bool waits = pending->again && put_back({pending.get()}).empty();
    const bool more = !queue_.empty();
    const bool stopping = stopping_;
    lock.unlock();
    if (more) wake_->changed.notify_one();
    if (stopping) idle_.notify_all();
    if (waits) wait_for(*pending);
    return std::move(pending->outcome);
  }
  queue_.push_back(pending.get());
  queue_bytes_ += pending->bytes;
  const bool wake = !busy_ && (!lingering_ || enough_are_back());
  lock.unlock();
  if (wake) wake_->changed.notify_one();
  Batching::flush();
  wait_for(*pending);
  return std::move(pending->outcome);
}

void Committer::append_later(std::unique_ptr<PendingAppend> pending) {
  std::unique_lock lock(mutex_);
  if (auto admitted = admit(*pending); !admitted) {
    lock.unlock();
    pending->done(admitted.error());
    return;
  }
  queue_bytes_ += pending->bytes;
  queue_.push_back(pending.release());  // answer() takes it back
  if (!busy_) wake_soon(std::move(lock));
}

/// When several requests are being taken, they are to go into one group, unless taking them lasts
/// so long that most of them are better committed while the others are taken: the disk and the
/// callers are then both kept busy.
void Committer::wake_soon(std::unique_lock<std::mutex> lock) {
  if (lingering_ && !enough_are_back()) return;
  if (may_commit_here()) {
    if (std::exchange(wake_->here_soon, true)) return;
    return MayBlock::put_off([wake = wake_] {
      std::unique_lock relock(wake->mutex);
      wake->here_soon = false;
      if (wake->committer != nullptr) wake->committer->commit_here(relock);
    });
  }
  auto& since = wake_->put_off_since;
  if (Batching::active()) {
    const auto now = clock_.instant();
    if (!since) {
      since = now;
      return Batching::at_end([wake = wake_] {
        {
          const std::lock_guard relock(wake->mutex);
          wake->put_off_since.reset();
        }
        wake->changed.notify_one();
      });
    }
    if (now - *since < last_commit_ / 3 || !enough_are_back()) return;
  }
  lock.unlock();
  wake_->changed.notify_one();
}

void Committer::run() {
  pthread_setname_np(pthread_self(), "weir-writer");
  std::unique_lock lock(mutex_);
  while (true) {
    wake_->changed.wait(
        lock, [this] { return (!queue_.empty() && !busy_) || (stopping_ && queue_.empty()); });
    if (queue_.empty()) return;
    if (not_before_ && !time_to_try(lock)) continue;
    const auto group = commit_next(lock);
    lingering_ = group.size() >= lingers_from;
    const bool idle = queue_.empty();
    lock.unlock();
    answer(group, idle && options_.callbacks_never_block);
    lock.lock();
    linger(lock);
  }
}

/// Takes a group and commits it. Gives those that are to be answered.
Committer::Batch Committer::commit_next(std::unique_lock<std::mutex>& lock) {
  auto group = take_group();
  busy_ = true;
  ++groups_;
  lock.unlock();
  const auto began = clock_.instant();
  commit(group);
  const auto ended = clock_.instant();
  lock.lock();
  if (try_again_at_) group = put_back(group);
  last_commit_ = ended - began;
  last_group_ = group.size();
  busy_ = false;
  if (stopping_) idle_.notify_all();
  return group;
}

/// With the lock held.
bool Committer::may_commit_here() const {
  return options_.callbacks_never_block && policy_ == nullptr && queue_.size() <= here_max &&
         !lingering_ && last_commit_ <= here_within && MayBlock::here();
}

/// On a thread that may block. What has become too much meanwhile is the writing thread's, which
/// knows of it or is told.
void Committer::commit_here(std::unique_lock<std::mutex>& lock) {
  if (busy_ || queue_.empty()) return;
  if (lingering_ || queue_.size() > here_max) return wake_->changed.notify_one();
  const auto group = commit_next(lock);
  if (!queue_.empty()) wake_->changed.notify_one();
  lock.unlock();
  // From here on the committer may be gone.
  if (auto call_back = let_go(group)) call_back();
}

/// Many who were answered together are likely to be back soon; one commit for most of them costs
/// the disk as much as one for the first. Not for all: a few are always late. Where they take their
/// time, one half is better committed while the other is on its way.
void Committer::linger(std::unique_lock<std::mutex>& lock) {
  if (!lingering_) return;
  const auto at_most = std::min<Instant::duration>(last_commit_ / 2, lingers_max);
  const bool in_time =
      wake_->changed.wait_for(lock, at_most, [this] { return stopping_ || enough_are_back(); });
  lingering_ = false;
  if (halves_left_ > 0) {
    if (--halves_left_ == 0) late_ = 0;
  } else if (in_time) {
    late_ = 0;
  } else if (++late_ == late_max) {
    halves_left_ = halves_in_a_row;
  }
}

Committer::Batch Committer::take_group() {
  Batch group;
  std::size_t events = 0, bytes = 0;
  while (!queue_.empty() && events < options_.group_events_max &&
         bytes < options_.group_bytes_max) {
    auto* pending = queue_.front();
    queue_.pop_front();
    queue_bytes_ -= pending->bytes;
    events += pending->request.events.size() + 1;
    bytes += pending->bytes;
    group.push_back(pending);
  }
  return group;
}

Result<bool> Committer::commit_group(const Batch& group) {
  for (auto* pending : group) pending->on_stop.reset();
  try_again_at_.reset();
  const auto begun = begin(group);
  if (!begun) {
    failed(group, begun.error());
    return begun.error();
  }
  learn(*begun);
  Accepted accepted(begun->head, tail_.known());
  accepted.recorded_at = std::max(begun->recorded_at, clock_.now());
  accepted.indexing = group.size() > 1;
  for (auto* pending : group) {
    if (const auto judged = judge(*pending, accepted, *begun); !judged) {
      pending->outcome = judged.error();
    }
    if (accepted.lost) break;
  }
  if (accepted.lost) {
    writer_->rollback();
    failed(group, *accepted.lost);
    return *accepted.lost;
  }
  if (accepted.appends == 0) {
    writer_->rollback();
    return false;
  }
  const auto written = write(group, accepted, *begun);
  if (!written) {
    commit_failed(group, written.error());
    return written.error();
  }
  for (auto* pending : group) {
    if (pending->repeats && pending->outcome.ok()) pending->outcome->replayed = true;
  }
  return true;
}

Result<void> Committer::judge(PendingAppend& pending, Accepted& accepted, const Begun& begun) {
  pending.outcome = Appended();
  pending.repeats = pending.leans = false;
  WEIR_TRY(still_wanted(pending.request.call, clock_.instant()));
  if (!pending.request.idempotency_key.empty()) {
    WEIR_TRY_ASSIGN(replayed, replay(pending, accepted, begun));
    if (replayed) return {};
  }
  WEIR_TRY(judge_condition(pending, accepted));
  WEIR_TRY(judge_tracking(pending, accepted, begun));
  accept(pending, accepted);
  return {};
}

Result<bool> Committer::replay(PendingAppend& pending, const Accepted& accepted,
                               const Begun& begun) {
  const auto& key = pending.request.idempotency_key;
  const auto* before = find_key(begun.keys, key);
  if (before != nullptr && before->answer.recorded_at < accepted.recorded_at - options_.keys_kept) {
    before = nullptr;  // forgotten, though still there
  }
  const auto* record = before != nullptr ? before : find_key(accepted.keys, key);
  if (record == nullptr) return false;
  pending.leans = before == nullptr;
  if (record->fingerprint != pending.fingerprint) {
    return Error{.code = Code::already_exists,
                 .reason = Reason::idempotency_key_reused,
                 .message = fmt::format("idempotency_key: '{}' was used for other events at "
                                        "positions {} to {}",
                                        key, record->answer.first.value, record->answer.last.value),
                 .details = {{"field", "idempotency_key"}}};
  }
  auto answer = record->answer;
  // One in this very group is not on disk yet; then it stands or falls with the commit.
  answer.replayed = before != nullptr;
  pending.repeats = before == nullptr;
  pending.outcome = answer;
  return true;
}

Result<void> Committer::judge_condition(PendingAppend& pending, Accepted& accepted) {
  if (!pending.request.condition) return {};
  // What was judged by events that are no longer there counts for nothing.
  const bool still_holds =
      pending.judged_after_rewinds == accepted.known.rewinds && pending.judged <= accepted.begin;
  const auto after = std::max(still_holds ? pending.judged : Position(),
                              pending.request.condition->after.value_or(Position()));
  const bool may_match = after < tail_.begin() || tail_.may_match(pending.condition, after);
  // Who reads may find at any time that the log was put back, and forget what the tail knew.
  const bool forgotten =
      accepted.known.head < accepted.begin || tail_.rewinds() != accepted.known.rewinds;
  if (may_match || forgotten) {
    // By its terms there may be a match: the store itself has the last word.
    ReadRequest look{.query = pending.request.condition->fail_if_events_match,
                     .after = after,
                     .until = accepted.begin,
                     .limit = 1,
                     .batch_events_max = 1,
                     .call = {.context = pending.request.call.context}};
    while (look.after < accepted.begin) {
      WEIR_TRY(still_wanted(pending.request.call, clock_.instant()));
      auto read = writer_->read_step(look);
      if (!read && is_lost(read.error())) accepted.lost = read.error();
      WEIR_TRY_ASSIGN(step, std::move(read));
      if (!step.batch.empty()) return condition_failed(step.batch.first().value);
      if (step.end) break;
      look.after = step.cursor;
    }
  }
  if (!accepted.indexing || !accepted.segment.may_match(pending.condition, after)) return {};
  for (const auto& event : accepted.events) {
    if (event.position <= after) continue;
    const auto& query = pending.request.condition->fail_if_events_match;
    if (matches(query, EventSubject(*event.event).subject())) {
      pending.leans = true;
      return condition_failed(event.position.value);
    }
  }
  return {};
}

Result<void> Committer::judge_tracking(PendingAppend& pending, const Accepted& accepted,
                                       const Begun& begun) {
  if (!pending.request.tracking) return {};
  const auto& wanted = *pending.request.tracking;
  const auto* recorded = find_source(accepted.sources, wanted.source);
  pending.leans = pending.leans || recorded != nullptr;
  if (recorded == nullptr) recorded = find_source(begun.sources, wanted.source);
  if (recorded == nullptr || recorded->position < wanted.position) return {};
  return Error{.code = Code::failed_precondition,
               .reason = Reason::tracking_not_increasing,
               .message = fmt::format("tracking.position: {} is not past {}, which is recorded for "
                                      "source '{}'",
                                      wanted.position, recorded->position, wanted.source),
               .details = {{"field", "tracking.position"},
                           {"recorded", std::to_string(recorded->position)}}};
}

void Committer::accept(PendingAppend& pending, Accepted& accepted) {
  auto& request = pending.request;
  const auto first = accepted.head.next();
  const Term* terms = pending.terms.data();
  for (std::size_t i = 0; i < request.events.size(); ++i) {
    accepted.head = accepted.head.next();
    const auto& event = request.events[i];
    const auto* tracking = request.tracking ? &*request.tracking : nullptr;
    const auto occurred_at = event.occurred_at.value_or(accepted.recorded_at);
    accepted.events.push_back(
        {.event = &event,
         .position = accepted.head,
         .occurred_at = occurred_at,
         .tracking = tracking,
         .checksum = checksum_of(event, accepted.head, occurred_at, tracking)});
    if (accepted.indexing) accepted.segment.add(accepted.head, {terms, pending.term_counts[i]});
    terms += pending.term_counts[i];
  }
  if (request.tracking) {
    std::erase_if(accepted.sources,
                  [&](const Tracking& t) { return t.source == request.tracking->source; });
    accepted.sources.push_back(*request.tracking);
  }
  // An append of nothing (umadb.v1 allows it) has no first position of its own.
  const Appended answer{.first = std::min(first, accepted.head),
                        .last = accepted.head,
                        .recorded_at = accepted.recorded_at,
                        .replayed = false};
  if (!request.idempotency_key.empty()) {
    accepted.keys.push_back({request.idempotency_key, pending.fingerprint, answer});
  }
  pending.outcome = answer;
  ++accepted.appends;
}

Result<void> Committer::write(const Batch& group, Accepted& accepted, const Begun& begun) {
  WEIR_TRY(writer_->commit({.events = accepted.events,
                            .keys = accepted.keys,
                            .sources = accepted.sources,
                            .recorded_at = accepted.recorded_at,
                            .keys_expire_before = accepted.recorded_at - options_.keys_kept}));
  for (const auto* pending : group) {
    const bool wrote = pending->outcome.ok() && !pending->outcome->replayed && !pending->repeats;
    if (!wrote) continue;
    std::optional<Mark> last;
    if (!accepted.events.empty() && pending->outcome->last == accepted.head) {
      last = {.position = accepted.head,
              .checksum = accepted.events.back().checksum,
              .recorded_at = accepted.recorded_at};
    }
    tail_.append(accepted.known, pending->outcome->first, pending->term_counts, pending->terms,
                 last);
  }
  if (accepted.head > begun.head) advanced_(accepted.head);
  return {};
}

}  // namespace weir::engine
