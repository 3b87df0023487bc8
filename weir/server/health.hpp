#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weir/gateway/gateway.hpp>
#include <weir/server/stream_probe.hpp>
#include <weir/store/event_store.hpp>

namespace weir::server {

struct HealthOptions {
  /// How long the log may take to say where its head is, and then a stream to deliver. Range 10 ms
  /// to 1 min. Default 2 s.
  std::chrono::milliseconds patience{2'000};
  /// A report so young answers again, so that many who ask cost little. Range 0 to 1 min.
  /// Default 1 s.
  std::chrono::milliseconds reuse_for{1'000};
  /// How often it is looked at while somebody watches. Range 10 ms to 10 min. Default 5 s.
  std::chrono::milliseconds watch_every{5'000};
};

/// Errors: invalid_argument, with the field and its range.
Result<void> check(const HealthOptions& options);

/// Whether the server can do its work, and with what.
struct HealthReport {
  /// The worst of the checks.
  HealthStatus status = HealthStatus::healthy;
  std::optional<Position> head = std::nullopt;
  std::vector<HealthCheck> checks;
};

/// {"status":"healthy","head":7,"checks":{"log":{"status":"healthy","took_seconds":0.0001}, …}}
std::string to_json(const HealthReport& report);

/// Told of another status.
class HealthWatcher {
 public:
  virtual ~HealthWatcher() = default;
  /// On the thread that looks: must not block.
  virtual void changed(HealthStatus status) = 0;
};

/// Looks whether the log answers, whether a stream delivers, how many appends wait, and what the
/// store says of itself; on a thread of its own, so that a disk that hangs holds up nobody.
/// Threads: any.
class Health {
 public:
  using Answer = std::function<void(std::shared_ptr<const HealthReport>)>;
  /// Answers with what came of a stream from before the event at a head.
  using Probe = std::function<void(Position head, Done<Delivered> done)>;

  /// `options` must have passed check().
  Health(std::shared_ptr<Catalog> catalog, std::shared_ptr<EventStore> log, HealthOptions options,
         const Clock& clock);
  ~Health();
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  /// Streams are looked at too, from here on until stop(). `probe` must not block.
  void probe_streams(Probe probe);

  /// Answers on another thread, within twice the patience.
  void report(Answer answer);
  /// From here on unhealthy: the server shuts down. No probe begins any more.
  void stop();

  /// Tells it the status of this moment soon, and then whenever it is another, while it exists.
  void watch(const std::shared_ptr<HealthWatcher>& watcher);

  /// GET /health/live: the process answers. GET /health/ready: a report, with 503 when unhealthy;
  /// to whom `may_see` does not let it is only told the status. Must not outlive this.
  std::vector<gateway::Route> routes(std::function<bool(const gateway::HttpRequest&)> may_see);

 private:
  using Shared = std::shared_ptr<const HealthReport>;
  struct Watched {
    std::weak_ptr<HealthWatcher> by;
    std::optional<HealthStatus> told;
  };
  /// An answer that may come late, or never.
  template <class T>
  struct Awaited {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<T>> result;
  };
  template <class T>
  Result<T> wait_for(const std::function<void(Done<T>)>& begin,
                     std::shared_ptr<Awaited<T>>& outstanding, const char* what) const;

  void run(const std::stop_token& stop);
  HealthReport look();
  HealthCheck look_at_log(HealthReport& report);
  HealthCheck look_at_stream(Position head);
  void tell_watchers(HealthStatus status);

  const std::shared_ptr<Catalog> catalog_;
  const std::shared_ptr<EventStore> log_;
  const HealthOptions options_;
  const Clock& clock_;
  // Of the thread alone.
  std::shared_ptr<Awaited<Position>> head_;
  std::shared_ptr<Awaited<Delivered>> delivered_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Probe probe_;
  bool stopping_ = false;
  std::vector<Answer> waiting_;
  Shared last_;
  Instant last_at_{};
  std::vector<Watched> watchers_;
  std::jthread thread_;
};

}  // namespace weir::server
