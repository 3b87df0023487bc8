#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include <weir/base/executor.hpp>
#include <weir/base/gate.hpp>
#include <weir/store/engine/backend.hpp>
#include <weir/store/engine/tail.hpp>
#include <weir/store/observer.hpp>

namespace weir::engine {

/// What callers are told to wait when a queue is full.
inline constexpr std::chrono::milliseconds overload_delay{50};

struct CommitterOptions {
  /// Appends that may wait; past it the answer is resource_exhausted. Default 16,384.
  std::size_t queue_max = 16'384;
  /// Bytes of events that may wait. Default 256 MiB.
  std::size_t queue_bytes_max = 256 << 20;
  /// Events and bytes after which a group takes no further append. Default 2048 and 8 MiB.
  std::size_t group_events_max = 2048;
  std::size_t group_bytes_max = 8 << 20;
  /// Events and bytes, the newest, of what other processes append between two groups that are taken
  /// into the tail; conditions that reach back past them are judged by reading. Default 32,768 and
  /// 64 MiB.
  std::size_t missed_events_max = 32'768;
  std::size_t missed_bytes_max = 64 << 20;
  /// How long an idempotency key is remembered. Default 24 h.
  std::chrono::hours keys_kept = std::chrono::hours(24);
  /// Callbacks may run on the writing thread, when nothing waits to be committed; and a thread that
  /// may block (MayBlock) writes a small group itself. For programs whose callbacks never block,
  /// such as a server. Default: they run on a thread of their own.
  bool callbacks_never_block = false;
  /// Told of groups and refusals. Default: nobody, and nothing is measured.
  StoreObserver* observer = nullptr;
};

/// What a group of appends is made of: the request with all that can be worked out beforehand, on
/// the caller's thread.
struct PendingAppend {
  AppendRequest request;
  CompiledQuery condition;
  /// Events up to here have been found not to match the condition, when the tail had been rewound
  /// so often.
  Position judged;
  std::uint64_t judged_after_rewinds = 0;
  Fingerprint fingerprint;
  std::vector<std::uint32_t> term_counts;
  std::vector<Term> terms;
  std::size_t bytes = 0;
  Done<Appended> done;
  /// When the caller asked; only where there is an AppendPolicy.
  Instant asked_at{};
  /// Transactions that failed without a trace of it.
  int attempts = 0;
  /// It waits for another transaction; `outcome` is why the last one failed.
  bool again = false;
  /// While it does: wakes the writing thread when the caller gives up.
  std::optional<std::stop_callback<std::function<void()>>> on_stop = {};
  /// An earlier append of the same group has this one's idempotency key.
  bool repeats = false;
  /// Its outcome rests on others of the group, and falls with them.
  bool leans = false;
  Result<Appended> outcome = Appended();
  /// Opens once `outcome` holds the answer; a blocked caller waits for it.
  Gate finished;
  /// Blocked callers of the same group whom this one's caller lets go when it is let go itself, so
  /// that the writing thread need not wake each of them.
  std::array<PendingAppend*, 7> lets_go = {};
};

/// Commits appends in groups: whoever waits while one commit is under way goes into the next.
/// That is done by the writing thread, or by a caller that waits for it anyway or may block.
/// Conditions of a group see the events of those before them in it.
///
/// With an AppendPolicy, appends of a transaction that failed without a trace stay in the queue
/// and are tried again together, each until its deadline; what comes meanwhile waits with them.
/// While a transaction takes long, those in the queue are answered at their deadlines, or all at
/// once when the policy refuses what comes next.
///
/// Threads: any for append; destruction waits for what was accepted.
class Committer {
 public:
  /// Asks for the parts it works with; all must outlive it. `advanced` is told each new head, on
  /// the writing thread.
  Committer(Backend& backend, Tail& tail, const TermHasher& hasher, const Clock& clock,
            Executor& completions, CommitterOptions options,
            std::function<void(Position)> advanced);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Commits on the caller's thread when nobody else is at it, and waits otherwise.
  Result<Appended> append(std::unique_ptr<PendingAppend> pending);
  /// Answers through pending->done on the completions executor.
  void append_later(std::unique_ptr<PendingAppend> pending);

  /// Refuses further appends with shutting_down, and waits for those accepted.
  void shut_down();

  std::size_t queue_depth() const;

  /// Errors: cancelled, deadline_passed.
  static Result<void> still_wanted(const CallOptions& call, Instant now);

 private:
  using Batch = std::vector<PendingAppend*>;
  struct Accepted;

  Result<void> admit(PendingAppend& pending);
  Result<void> room_for(const PendingAppend& pending) const;
  void run();
  Batch take_group();
  Batch commit_next(std::unique_lock<std::mutex>& lock);
  bool may_commit_here() const;
  void commit_here(std::unique_lock<std::mutex>& lock);
  void linger(std::unique_lock<std::mutex>& lock);
  bool enough_are_back() const {
    return 4 * queue_.size() >= (halves_left_ > 0 ? 2 : 3) * last_group_;
  }
  void commit(const Batch& group);
  /// False when every append was refused; an error when the commit failed.
  Result<bool> commit_group(const Batch& group);
  void tell(const Batch& group, StoreObserver::Commit told, const Result<bool>& committed);
  // What the log is like: committer_begin.cpp.
  Result<Begun> begin(const Batch& group);
  void learn(const Begun& begun);
  // Trying again: committer_again.cpp.
  void failed(const Batch& group, const Error& error);
  void commit_failed(const Batch& group, const Error& error);
  Batch put_back(const Batch& group);
  bool time_to_try(std::unique_lock<std::mutex>& lock);
  void answer_those_who_left(std::unique_lock<std::mutex>& lock, Instant now);
  Instant wake_up_time() const;
  void watch(const std::stop_token& stop);
  void answer_left(const Batch& left);
  Result<void> judge(PendingAppend& pending, Accepted& accepted, const Begun& begun);
  Result<void> judge_condition(PendingAppend& pending, Accepted& accepted);
  Result<bool> replay(PendingAppend& pending, const Accepted& accepted, const Begun& begun);
  Result<void> judge_tracking(PendingAppend& pending, const Accepted& accepted, const Begun& begun);
  void accept(PendingAppend& pending, Accepted& accepted);
  Result<void> write(const Batch& group, Accepted& accepted, const Begun& begun);
  // What callers learn: committer_answer.cpp.
  static void wait_for(PendingAppend& pending);
  void answer(const Batch& group, bool here);
  static UniqueFunction<void()> let_go(const Batch& group);

  Backend& backend_;
  Tail& tail_;
  const TermHasher& hasher_;
  const Clock& clock_;
  Executor& completions_;
  const CommitterOptions options_;
  std::function<void(Position)> advanced_;

  AppendPolicy* const policy_;

  // Only whoever set busy_ uses these.
  std::unique_ptr<Writer> writer_;
  std::optional<Instant> try_again_at_;

  /// What wakes the writing thread; a wake-up that was put off may outlive the committer.
  struct Wake {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Instant> put_off_since;
    /// Null when it is gone.
    Committer* committer = nullptr;
    /// A thread is going to commit what waits, once it is through with what it does.
    bool here_soon = false;
    /// While appends wait to be tried again: one of them may have left.
    bool look_again = false;
  };
  void wake_soon(std::unique_lock<std::mutex> lock);

  const std::shared_ptr<Wake> wake_ = std::make_shared<Wake>();
  std::mutex& mutex_ = wake_->mutex;
  std::deque<PendingAppend*> queue_;
  std::size_t queue_bytes_ = 0;
  bool busy_ = false;
  /// The writing thread waits for those whom it has just answered.
  bool lingering_ = false;
  bool stopping_ = false;
  /// Groups that were begun.
  std::uint64_t groups_ = 0;
  /// What is in the queue is not tried before; and when the writing thread looks again until then.
  std::optional<Instant> not_before_;
  Instant wake_at_{};
  Instant::duration last_commit_{};
  std::size_t last_group_ = 0;
  int late_ = 0;
  int halves_left_ = 0;
  std::condition_variable idle_;
  std::jthread thread_;
  /// Looks after the queue while the writing thread can't; only where there is an AppendPolicy.
  std::jthread watch_;
};

}  // namespace weir::engine
