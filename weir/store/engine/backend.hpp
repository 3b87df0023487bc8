#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weir/store/engine/append_policy.hpp>
#include <weir/store/engine/mark.hpp>
#include <weir/store/event_store.hpp>

namespace weir::engine {

/// 128 bits over what a repeated append must have in common with the first.
struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  bool operator==(const Fingerprint&) const = default;
};

/// What is recorded under an idempotency key.
struct KeyRecord {
  std::string key;
  Fingerprint fingerprint;
  Appended answer;
};

/// What the writer needs to know before it judges a group.
struct BeginRequest {
  /// The last position it knows of.
  Position known;
  /// Of the last event it knows; none when it keeps nothing of what is before `known`.
  std::optional<Mark> mark = std::nullopt;
  /// More missed events than this, or past so many bytes, are of no use to it: the newest suffice.
  std::size_t missed_max = 0;
  std::size_t missed_bytes_max = 64 << 20;
  std::span<const std::string_view> keys;
  std::span<const std::string_view> sources;
  /// When the first of the group's callers asked.
  Instant asked_at;
  /// Past it none of the group's callers waits any more. Default: somebody always does.
  std::optional<Instant> deadline = std::nullopt;
};

struct Begun {
  Position head;
  /// recorded_at of the last event; the epoch in an empty log.
  Timestamp recorded_at;
  /// Events past `known` that other processes appended, in order, ending with the head; when there
  /// are more than the request wants, the newest of them.
  Batch missed;
  /// The event of the request's mark is not in the log: it was put back to an older state, and may
  /// have been written to since.
  bool rewound = false;
  /// Those keys of the request that are on record, even if they should be forgotten by now.
  std::vector<KeyRecord> keys;
  /// Those sources of the request that are on record.
  std::vector<Tracking> sources;
};

/// An event with everything the log adds to it. Views into the caller's request.
struct NewEvent {
  const Event* event = nullptr;
  Position position;
  Timestamp occurred_at;
  const Tracking* tracking = nullptr;
  /// See checksum_of().
  std::uint64_t checksum = 0;
};

/// What one commit writes, all or nothing. Positions follow the head without a gap.
struct Group {
  std::span<const NewEvent> events;
  std::span<const KeyRecord> keys;
  /// The highest new position per source.
  std::span<const Tracking> sources;
  Timestamp recorded_at;
  /// Keys recorded before this are forgotten.
  Timestamp keys_expire_before;
  /// Past it the commit is given up, should it not have been answered. Default: the engine's own
  /// limits.
  std::optional<Instant> deadline = std::nullopt;
  /// Told of each failed try to find out what became of the commit, while that goes on.
  std::function<void(const Error&)> on_failed_try = nullptr;
};

/// The one writer of a log in a process. Between a successful begin() and the commit() or
/// rollback() after it, no other writer of any process can append to the log.
/// Threads: one at a time, not always the same.
class Writer {
 public:
  virtual ~Writer() = default;

  /// Takes the log's lock and says what has changed.
  /// Nothing is recorded by one that fails.
  /// Errors: unavailable, data_loss, deadline_exceeded (the lock could not be had in time).
  virtual Result<Begun> begin(const BeginRequest& request) = 0;

  /// As Backend::read_step(), between begin() and commit() or rollback(), of the log as begin()
  /// found it. It waits for nothing that waits for this writer.
  /// Errors: unavailable, deadline_exceeded (the transaction is over, nothing is recorded); after
  /// others a commit may fail too.
  virtual Result<ReadStep> read_step(const ReadRequest& request) = 0;

  /// Writes and makes durable. On success it is on disk. On an error, whether it was recorded is
  /// unknown, and the next begin() tells what the log holds; unless is_nothing_recorded(error).
  virtual Result<void> commit(const Group& group) = 0;

  /// Lets the lock go without writing.
  virtual void rollback() = 0;
};

/// A log in a database: what an engine implements. The rest (group commit, conditions, tail,
/// subscriptions, blocking and asynchronous calls) is engine::Log and the same for all.
/// Threads: any, for everything; calls may block on the disk or the network.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const LogInfo& info() const = 0;
  virtual Result<std::unique_ptr<Writer>> open_writer() = 0;
  /// What becomes of appends while the database fails. Null: they fail too. Lives as long as this.
  virtual AppendPolicy* append_policy() { return nullptr; }

  /// One bounded step. `request` has been checked. Looks at some tens of thousands of events at
  /// most, and heeds deadline and stop token while it does.
  virtual Result<ReadStep> read_step(const ReadRequest& request) = 0;
  virtual Result<Position> head(const CallOptions& call) = 0;
  /// The whole answer of a read in one step, where memory is enough for it and it is little;
  /// nothing otherwise. As true as read_step(), and never blocks. Default: never enough. There is
  /// no such thing for the head, by which health tells whether the database answers.
  virtual std::optional<ReadStep> read_at_once(const ReadRequest&) { return std::nullopt; }
  /// True soon after another process may have appended; cheap, called many times a second.
  /// Engines that are told (LISTEN) call the listener instead and answer false.
  virtual bool changed_elsewhere() = 0;
  /// Called with the listener for changes_elsewhere; none when null.
  virtual void on_change_elsewhere(std::function<void()> listener) = 0;

  virtual Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key,
                                                        const CallOptions& call) = 0;
  virtual Result<bool> save_snapshot(const Snapshot& snapshot, const CallOptions& call) = 0;
  virtual Result<void> delete_snapshot(const SnapshotKey& key, const CallOptions& call) = 0;
  virtual Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                                       const CallOptions& call) = 0;
};

/// What every engine stores beside an event so that damage shows: XXH3-64 over all fields but
/// recorded_at, each with its length, and the position.
std::uint64_t checksum_of(const Event& event, Position position, Timestamp occurred_at,
                          const Tracking* tracking);
std::uint64_t checksum_of(const EventView& event);

/// Over the events of an append, for idempotency: type, tags, data, content type and metadata of
/// each, and id and occurred_at where the caller gave them.
Fingerprint fingerprint_of(std::span<const Event> events);

}  // namespace weir::engine
