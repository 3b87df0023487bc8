#include <pthread.h>

#include <algorithm>

#include <weir/store/engine/committer.hpp>

namespace weir::engine {
namespace {

constexpr std::chrono::milliseconds watch_every{50};

}  // namespace

// What a Committer does with appends whose transaction failed.

Result<void> Committer::still_wanted(const CallOptions& call, Instant now) {
  if (call.stop.stop_requested()) return cancelled();
  if (call.deadline && *call.deadline <= now) return deadline_passed();
  return {};
}

/// Of those of whom nothing was recorded: each either fails or waits for another try.
void Committer::failed(const Batch& group, const Error& error) {
  for (auto* pending : group) pending->outcome = nothing_recorded(error);
  if (policy_ == nullptr) return;
  const auto now = clock_.instant();
  const double chance = policy_->chance();
  for (auto* pending : group) {
    const auto& call = pending->request.call;
    ++pending->attempts;
    if (const auto wanted = still_wanted(call, now); !wanted) {
      pending->outcome = nothing_recorded(wanted.error());
      continue;
    }
    // What is told of it belongs to its own trace; the group may be another's.
    std::optional<telemetry::Scope> scope;
    if (call.context.span.trace_id != telemetry::current_context().span.trace_id) {
      scope.emplace(call.context);
    }
    const auto delay = policy_->again(
        {.attempts = pending->attempts, .asked_at = pending->asked_at, .deadline = call.deadline},
        error, now, chance);
    if (!delay) {
      pending->outcome = nothing_recorded(policy_->given_up(error));
      continue;
    }
    pending->again = true;
    try_again_at_ = std::max(try_again_at_.value_or(now), now + *delay);
    if (!call.stop.stop_possible()) continue;
    pending->on_stop.emplace(call.stop, [wake = wake_] {
      {
        const std::lock_guard lock(wake->mutex);
        wake->look_again = true;
      }
      wake->changed.notify_one();
    });
  }
}

void Committer::commit_failed(const Batch& group, const Error& error) {
  const bool traceless = is_nothing_recorded(error);
  Batch in_commit, beside;
  for (auto* pending : group) {
    if (pending->outcome.ok() ? pending->outcome->replayed : !pending->leans) {
      continue;  // refused, or replayed from before: this commit makes no difference
    }
    (pending->outcome.ok() ? in_commit : beside).push_back(pending);
  }
  if (traceless) {
    failed(in_commit, error);
  } else {
    const auto told = policy_ == nullptr ? error : policy_->given_up(error);
    for (auto* pending : in_commit) pending->outcome = told;
  }
  // Refused for what was to be recorded and may not have been.
  failed(beside, unavailable("the commit of the appends that stood in its way failed"));
}

/// With the lock held. Gives those who don't wait for another try.
Committer::Batch Committer::put_back(const Batch& group) {
  Batch over;
  for (auto pending = group.rbegin(); pending != group.rend(); ++pending) {
    const bool again = std::exchange((*pending)->again, false) && !stopping_;
    if (!again) {
      over.push_back(*pending);
      continue;
    }
    queue_.push_front(*pending);
    queue_bytes_ += (*pending)->bytes;
    not_before_ = try_again_at_;
  }
  std::reverse(over.begin(), over.end());
  return over;
}

/// Waits until what is in the queue may be tried again; when the log is shut down, it is tried at
/// once for the last time. Whether there is something to try.
bool Committer::time_to_try(std::unique_lock<std::mutex>& lock) {
  while (not_before_ && !stopping_) {
    const auto now = clock_.instant();
    wake_->look_again = false;
    answer_those_who_left(lock, now);
    if (queue_.empty() || now >= *not_before_) break;
    wake_at_ = wake_up_time();
    wake_->changed.wait_until(lock, wake_at_, [this] { return stopping_ || wake_->look_again; });
  }
  not_before_.reset();
  if (stopping_) idle_.notify_all();
  return !queue_.empty() && !busy_;
}

/// The lock is let go while they are answered.
void Committer::answer_those_who_left(std::unique_lock<std::mutex>& lock, Instant now) {
  Batch left;
  std::erase_if(queue_, [&](PendingAppend* pending) {
    const auto wanted = still_wanted(pending->request.call, now);
    if (wanted) return false;
    pending->outcome = nothing_recorded(wanted.error());
    queue_bytes_ -= pending->bytes;
    left.push_back(pending);
    return true;
  });
  if (left.empty()) return;
  lock.unlock();
  answer_left(left);
  lock.lock();
}

void Committer::answer_left(const Batch& left) {
  for (auto* pending : left) {
    pending->on_stop.reset();
    if (options_.observer != nullptr) {
      options_.observer->refused(backend_.info().name, pending->outcome.error().code);
    }
  }
  answer(left, false);
}

/// Looks at the queue now and then, and does something only when a transaction has been under way
/// from one look to the next.
void Committer::watch(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-watch");
  std::condition_variable_any never_notified;
  std::unique_lock lock(mutex_);
  std::uint64_t seen = 0;
  while (!stop.stop_requested()) {
    never_notified.wait_for(lock, stop, watch_every, [] { return false; });
    if (std::exchange(seen, groups_) != groups_ || !busy_ || queue_.empty()) continue;
    answer_those_who_left(lock, clock_.instant());
    lock.unlock();
    auto refused = policy_->refuses();
    lock.lock();
    if (!refused || !busy_) continue;
    const Batch all(queue_.begin(), queue_.end());
    queue_.clear();
    queue_bytes_ = 0;
    for (auto* pending : all) pending->outcome = nothing_recorded(*refused);
    lock.unlock();
    answer_left(all);
    lock.lock();
  }
}

Instant Committer::wake_up_time() const {
  auto at = *not_before_;
  for (const auto* pending : queue_) {
    const auto& deadline = pending->request.call.deadline;
    if (deadline) at = std::min(at, *deadline);
  }
  return at;
}

}  // namespace weir::engine
