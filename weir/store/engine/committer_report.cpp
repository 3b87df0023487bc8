#include <algorithm>

#include <weir/store/engine/committer.hpp>

namespace weir::engine {

// What a Committer tells its observer.

Result<void> Committer::admit(PendingAppend& pending) {
  auto room = room_for(pending);
  if (policy_ != nullptr && room) {
    const auto& call = pending.request.call;
    if (auto refused = policy_->refuses()) {
      room = nothing_recorded(std::move(*refused));
    }
    pending.asked_at = clock_.instant();
    // Somebody is to notice when it has waited for too long.
    if (not_before_ && call.deadline && *call.deadline < wake_at_) {
      wake_->look_again = true;
      wake_->changed.notify_one();
    }
  }
  if (!room && options_.observer != nullptr) {
    options_.observer->refused(backend_.info().name, room.error().code);
  }
  return room;
}

void Committer::commit(const Batch& group) {
  if (options_.observer == nullptr) return static_cast<void>(commit_group(group));
  const auto traced = std::find_if(group.begin(), group.end(), [](const PendingAppend* pending) {
    return pending->request.call.context.span.sampled;
  });
  // What the engine reports of the commit belongs to the first of those that are traced.
  const telemetry::Scope scope(traced == group.end() ? telemetry::Context()
                                                     : (*traced)->request.call.context);
  const auto began = clock_.instant();
  tell(group, began, commit_group(group));
}

void Committer::tell(const Batch& group, Instant began, const Result<bool>& committed) {
  StoreObserver::Commit told{
      .log = backend_.info().name, .began = began, .took = clock_.instant() - began};
  std::vector<Code> refused;
  std::vector<telemetry::Context> traced;
  for (const auto* pending : group) {
    const auto& outcome = pending->outcome;
    if (pending->again) {
      // Not refused yet.
    } else if (!outcome.ok()) {
      refused.push_back(outcome.error().code);
    } else if (!outcome->replayed) {
      ++told.appends;
      told.events += pending->request.events.size();
    }
    const auto& context = pending->request.call.context;
    if (context.span.sampled) traced.push_back(context);
  }
  told.refused = refused;
  told.traced = traced;
  if (!committed) told.error = committed.error().code;
  options_.observer->committed(told);
}

}  // namespace weir::engine
