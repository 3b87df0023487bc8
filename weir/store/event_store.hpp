#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/unique_function.hpp>
#include <weir/store/batch.hpp>
#include <weir/store/health.hpp>
#include <weir/store/observer.hpp>
#include <weir/store/requests.hpp>

namespace weir {

/// Receives an operation's outcome, once, on a thread of the store's. Must not block or throw.
template <class T>
using Done = UniqueFunction<void(Result<T>)>;

/// One bounded step of a read. `(after, until]` with `after` (backwards: `until`) moved to the
/// cursor is what is left to read; `head` given as `until` keeps all steps to one moment.
struct ReadStep {
  Batch batch;
  /// The head when the step began.
  Position head;
  /// Forwards: everything up to here has been considered. Backwards: everything from here on, so
  /// that the next step has `until` = cursor - 1. May have moved though the batch is empty.
  Position cursor;
  /// Nothing is left to read in the range.
  bool end = false;
};

/// Makes `request` ask for what is left of it after `step`, which answered it.
void move_past(const ReadStep& step, ReadRequest& request);

/// What a subscriber is told.
struct SubscriptionStep {
  Batch batch;
  Position head;
  /// Resume with `after` = cursor.
  Position cursor;
  /// Everything up to `head` has been delivered.
  bool caught_up = false;
};

class StepSource;
class ReadStream;
class Subscription;
struct Known;

/// A log that can be read. Replicas and query services are given this type, so that a write does
/// not compile.
/// Threads: any, for everything. The blocking calls are for threads that may wait.
class EventReader {
 public:
  virtual ~EventReader() = default;

  virtual const LogInfo& info() const = 0;

  /// Nothing when the log is not embedded.
  virtual std::optional<LogGauges> gauges() const { return std::nullopt; }

  /// One step of a read. At most some tens of thousands of events are looked at, so a step is
  /// short even when little matches.
  /// Errors: invalid_argument, deadline_exceeded, cancelled, unavailable, data_loss,
  /// resource_exhausted (too many reads wait).
  virtual void read_step(ReadRequest request, Done<ReadStep> done) = 0;
  virtual Result<ReadStep> read_step(ReadRequest request) = 0;

  virtual void head(CallOptions call, Done<Position> done) = 0;
  virtual Result<Position> head(CallOptions call = {}) = 0;

  virtual Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key,
                                                        CallOptions call = {}) = 0;
  /// The position last recorded for a foreign source.
  virtual Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                                       CallOptions call = {}) = 0;

  /// A live subscription as a state machine without threads of its own: see Subscription.
  virtual Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) = 0;

  /// Reads batch by batch, all of them as of one head: `.next()`, or `.collect()`.
  ReadStream read(ReadRequest request);
  /// Where a ReadStream gets its steps from. Engines answer step by step; a remote store streams.
  virtual std::unique_ptr<StepSource> open_read(ReadRequest request);
  /// `while (auto step = subscription->next()) ...`
  Result<std::unique_ptr<Subscription>> subscribe(SubscribeRequest request) {
    return open_subscription(std::move(request));
  }
};

/// A log. Append is all or nothing, and answered once it is on disk.
class EventStore : public EventReader {
 public:
  /// Appends all events or none.
  /// Errors: aborted (the condition failed; details.position is the first conflicting one),
  /// invalid_argument, already_exists (the key was used with other events), failed_precondition
  /// (tracking does not increase), resource_exhausted (the queue is full; retry_after),
  /// unavailable (whether it was recorded is unknown; safe to repeat with the same key).
  virtual void append(AppendRequest request, Done<Appended> done) = 0;
  virtual Result<Appended> append(AppendRequest request) = 0;

  /// Keeps a projection's state. False when one at a later position is kept already.
  virtual Result<bool> save_snapshot(const Snapshot& snapshot, CallOptions call = {}) = 0;
  /// Deleting what is not there is fine.
  virtual Result<void> delete_snapshot(const SnapshotKey& key, CallOptions call = {}) = 0;
};

/// A live subscription: a read that does not end. Each step reads (cursor, watermark], so there is
/// no hand-over between catching up and live.
/// Threads: one at a time. `wake` is called on a thread of the store's.
class Subscription {
 public:
  virtual ~Subscription() = default;

  /// The next step, or nothing when there is nothing new yet; then `wake` is called once, as soon
  /// as there is (or the store shuts down, or the stop token fires). Does not wait for new events,
  /// but may read from the disk: call it where that is allowed.
  virtual Result<std::optional<SubscriptionStep>> poll(std::function<void()> wake) = 0;

  /// Waits for the next step. `heartbeat`: answer with an empty step after so long without news,
  /// with the head of the step before it.
  /// Errors: cancelled, deadline_exceeded, shutting_down, and those of a read.
  Result<SubscriptionStep> next(std::optional<std::chrono::milliseconds> heartbeat = std::nullopt);

  /// The events past this position have not been delivered.
  virtual Position cursor() const = 0;
  /// When the subscriber's own deadline ends it.
  virtual std::optional<Instant> deadline() const = 0;

 private:
  /// As next() was last told.
  std::optional<Position> head_;
};

/// The events of a decision's boundary, and what to append under.
struct Known {
  std::vector<RecordedEvent> events;
  Position head;
  Query query;

  /// The condition that nothing which matches has been appended since.
  Condition nothing_new() const { return {.fail_if_events_match = query, .after = head}; }
};

/// The steps of one read, in order.
/// Threads: one at a time.
class StepSource {
 public:
  virtual ~StepSource() = default;
  /// The next step; nothing at the end. Each carries the head of the first. After an error:
  /// nothing.
  virtual Result<std::optional<ReadStep>> next() = 0;
};

/// A bounded read, batch by batch. Must not outlive its reader.
class ReadStream {
 public:
  ReadStream(std::unique_ptr<StepSource> source, Query query)
      : source_(std::move(source)), query_(std::move(query)) {}

  Result<std::optional<ReadStep>> next() { return source_->next(); }
  /// Everything that is left, in memory: for boundaries, which are small.
  Result<Known> collect();

 private:
  std::unique_ptr<StepSource> source_;
  Query query_;
};

/// The logs at one address.
/// Threads: any.
class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual Result<std::vector<LogInfo>> list(CallOptions call = {}) = 0;
  /// Errors: already_exists when it is there with other options; the same options are fine.
  virtual Result<LogInfo> create(const std::string& name, const LogOptions& options,
                                 CallOptions call = {}) = 0;
  /// The same object for the same name, but for one on a server. It may outlive the catalog.
  /// Errors: not_found.
  virtual Result<std::shared_ptr<EventStore>> open(const std::string& name,
                                                   CallOptions call = {}) = 0;

  /// How what lies beneath stands, as far as is known without asking it: does not wait for a
  /// database. Nothing when the logs are elsewhere.
  virtual std::vector<HealthCheck> health() { return {}; }
};

}  // namespace weir
