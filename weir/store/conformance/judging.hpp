#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include <weir/store/event_store.hpp>

namespace weir::conformance {

/// A conditional append and what became of it, for a judge to look at afterwards.
struct Attempt {
  Condition condition;
  bool appended = false;
  std::uint64_t first = 0;
  std::uint64_t conflict = 0;
};

/// Events and queries from so small a world that they meet often.
Event random_event(std::mt19937& random);
/// 0 to 3 items with types, tags and payload predicates.
Query random_query(std::mt19937& random);

/// Sends appends of one or two events under random conditions, whose `after` is near the head.
/// Errors: any but aborted.
Result<std::vector<Attempt>> race(EventStore& log, std::uint32_t seed, int appends);

/// Replays the log: fails the test for a success whose condition did not hold when it was appended,
/// and for a conflict that is none. Events must be all of the log, from position 1.
void judge(const std::vector<Attempt>& attempts, const std::vector<RecordedEvent>& log);

}  // namespace weir::conformance
