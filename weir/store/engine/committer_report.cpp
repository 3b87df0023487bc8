#include <weir/store/engine/committer.hpp>

namespace weir::engine {

// What a Committer tells its observer.

Result<void> Committer::admit(PendingAppend& pending) {
  auto room = room_for(pending);
  if (policy_ != nullptr && room) {
    const auto& call = pending.request.call;
    const telemetry::Scope scope(call.context);
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
  auto* observer = options_.observer;
  if (observer == nullptr) return static_cast<void>(commit_group(group));
  std::vector<telemetry::Context> traced;
  for (const auto* pending : group) {
    const auto& context = pending->request.call.context;
    if (context.span.sampled) traced.push_back(context);
  }
  StoreObserver::Commit told{
      .log = backend_.info().name, .began = clock_.instant(), .traced = traced};
  telemetry::Span span;
  if (!traced.empty()) {
    span = observer->begin("append", told.log, traced, told.began);
    told.span = &span;
  }
  // Also for who is not traced: what is logged meanwhile has the first one's ids.
  const telemetry::Scope scope(traced.empty() ? group.front()->request.call.context
                                              : span.context());
  tell(group, told, commit_group(group));
}

void Committer::tell(const Batch& group, StoreObserver::Commit told,
                     const Result<bool>& committed) {
  told.took = clock_.instant() - told.began;
  std::vector<Code> refused;
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
  }
  told.refused = refused;
  if (!committed) told.error = committed.error().code;
  options_.observer->committed(told);
}

}  // namespace weir::engine
