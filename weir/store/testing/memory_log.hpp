#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <weir/store/testing/memory_store.hpp>

namespace weir::testing {

/// The state behind a MemoryStore. Everything but `options` is guarded by `mutex`.
struct MemoryLog {
  struct Key {
    std::vector<Event> events;
    Appended answer;
  };

  explicit MemoryLog(MemoryOptions o) : options(o) {}

  const MemoryOptions options;
  std::mutex mutex;
  std::vector<RecordedEvent> events;  ///< position p lies at p - 1
  std::map<std::string, Key> keys;
  std::map<std::string, std::uint64_t> sources;
  std::map<SnapshotKey, Snapshot> snapshots;
  std::vector<std::function<void()>> wakes;

  Position head() const { return Position(events.size()); }
};

/// Whether the caller still waits. Errors: cancelled, deadline_exceeded.
Result<void> check_call(const CallOptions& call, const Clock& clock);

/// Whether the query selects the event: the meaning every engine must agree with.
bool selects(const Query& query, const RecordedEvent& event);

/// One step over a log whose mutex is held.
ReadStep scan(const MemoryLog& log, const ReadRequest& request);

std::unique_ptr<Subscription> open_memory_subscription(std::shared_ptr<MemoryLog> log,
                                                       SubscribeRequest request);

}  // namespace weir::testing
