#include <weir/store/engine/committer.hpp>

#include <algorithm>

#include <weir/base/batching.hpp>

namespace weir::engine {

// How a Committer's callers learn what became of their appends.

namespace {

/// Lets the first few go, each of whom lets the next few go, and so on.
void let_all_go(const std::vector<PendingAppend*>& blocked) {
  constexpr auto fan_out = std::tuple_size_v<decltype(PendingAppend::lets_go)>;
  const auto first = std::min(blocked.size(), fan_out);
  for (auto i = first; i < blocked.size(); ++i) {
    blocked[(i - first) / fan_out]->lets_go[(i - first) % fan_out] = blocked[i];
  }
  // Each may be gone as soon as its gate is open.
  for (std::size_t i = 0; i < first; ++i) blocked[i]->finished.open();
}

}  // namespace

void Committer::wait_for(PendingAppend& pending) {
  pending.finished.wait();
  for (auto* other : pending.lets_go) {
    if (other != nullptr) other->finished.open();
  }
}

void Committer::answer(const Batch& group, bool here) {
  auto call_back = let_go(group);
  if (!call_back) return;
  if (here) return call_back();
  completions_.post_always(std::move(call_back));
}

/// Lets blocked callers go; what calls the others back is given.
UniqueFunction<void()> Committer::let_go(const Batch& group) {
  std::vector<std::unique_ptr<PendingAppend>> later;
  Batch blocked;
  for (auto* pending : group) {
    if (pending->done) {
      later.emplace_back(pending);
    } else {
      blocked.push_back(pending);
    }
  }
  let_all_go(blocked);
  if (later.empty()) return nullptr;
  return [later = std::move(later)] {
    // What the callbacks ask for next goes into one group, or one message.
    const Batching together;
    for (const auto& pending : later) pending->done(std::move(pending->outcome));
  };
}

}  // namespace weir::engine
