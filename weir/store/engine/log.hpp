#pragma once

#include <memory>

#include <weir/base/executor.hpp>
#include <weir/store/engine/committer.hpp>
#include <weir/store/engine/live.hpp>
#include <weir/store/event_store.hpp>

namespace weir::engine {

struct LogEngineOptions {
  Limits limits = {};
  CommitterOptions committer = {};
  LiveOptions live = {};
  /// Put around each log's backend: see store/resilient. Default: nothing is.
  std::function<std::unique_ptr<Backend>(std::unique_ptr<Backend>)> around = nullptr;
};

/// Threads that the logs of one process share.
struct Threads {
  /// Callbacks that never block may run several together: what they send then goes as one.
  explicit Threads(bool callbacks_never_block = false)
      : readers{{.threads = 2,
                 .queue_max = 65'536,
                 .together_max = callbacks_never_block ? 4U : 1U,
                 .name = "weir-read"}} {}

  /// Read on behalf of asynchronous callers.
  Executor readers;
  /// Run the callbacks of appends.
  Executor completions{{.threads = 1, .queue_max = 65'536, .name = "weir-done"}};
};

/// An EventStore over any Backend: checks requests, judges conditions, commits in groups, feeds
/// subscribers. The one implementation of the log's rules; engines only keep and find.
/// Threads: any. Destruction waits for what was accepted.
class Log final : public EventStore, public std::enable_shared_from_this<Log> {
 public:
  /// `tail` is the backend's own, where it has one.
  Log(std::unique_ptr<Backend> backend, std::shared_ptr<Tail> tail, TermHasher hasher,
      std::shared_ptr<Threads> threads, const Clock& clock, LogEngineOptions options);
  ~Log() override;

  const LogInfo& info() const override;

  void read_step(ReadRequest request, Done<ReadStep> done) override;
  Result<ReadStep> read_step(ReadRequest request) override;
  void head(CallOptions call, Done<Position> done) override;
  Result<Position> head(CallOptions call) override;
  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key, CallOptions call) override;
  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               CallOptions call) override;
  Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) override;

  void append(AppendRequest request, Done<Appended> done) override;
  Result<Appended> append(AppendRequest request) override;
  Result<bool> save_snapshot(const Snapshot& snapshot, CallOptions call) override;
  Result<void> delete_snapshot(const SnapshotKey& key, CallOptions call) override;

  /// Stops accepting, finishes what was accepted, ends subscriptions.
  void shut_down();

  std::optional<LogGauges> gauges() const override;

  Backend& backend() { return *backend_; }
  const Live& live() const { return live_; }
  const Committer& committer() const { return committer_; }

 private:
  Result<std::unique_ptr<PendingAppend>> prepare(AppendRequest request) const;
  /// Tells the observer, if there is one, and gives the error back.
  const Error& refused(const Error& error) const;
  Result<ReadStep> checked_step(const ReadRequest& request);
  /// Nothing when it may take a while.
  std::optional<Result<ReadStep>> read_at_once(const ReadRequest& request);
  void tell_read(const ReadRequest& request, const Result<ReadStep>& step, Instant began,
                 telemetry::Span* span);
  /// Does `f(call)` for a caller who still waits, under a span of its own when the call is traced.
  template <class F>
  auto traced(std::string_view operation, const CallOptions& call, F&& f) -> decltype(f(call));
  bool needs_look(const PendingAppend& pending) const;
  Result<void> look(PendingAppend& pending);
  Result<void> look_back(PendingAppend& pending, const CallOptions& call);
  /// The caller's, or the log's own.
  template <class Request>
  const Limits& limits_of(const Request& request) const {
    return request.limits != nullptr ? *request.limits : options_.limits;
  }
  static Result<void> check_snapshot_key(const SnapshotKey& key, const Limits& limits);

  std::unique_ptr<Backend> backend_;
  LogInfo info_;
  std::shared_ptr<Tail> tail_;
  const TermHasher hasher_;
  std::shared_ptr<Threads> threads_;
  const Clock& clock_;
  const LogEngineOptions options_;
  Live live_;
  Committer committer_;
};

}  // namespace weir::engine
