#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include <weir/base/executor.hpp>
#include <weir/store/engine/backend.hpp>

namespace weir::engine {

struct LiveOptions {
  /// Bytes of recent events kept for live subscribers. A subscriber that falls further behind reads
  /// from the store. Default 16 MiB.
  std::size_t ring_bytes_max = 16 << 20;
  /// How often an engine that is not told of other processes' appends looks for them, while there
  /// are subscribers. Default 20 ms.
  std::chrono::milliseconds look_every{20};
  /// How long to wait at most, while the store can't be read, before it is tried again; as long as
  /// the error says, if that is less. Default 1 s.
  std::chrono::milliseconds pause_max{1000};
};

/// Feeds all live subscribers of a log in this process: one reader of the log's end fills a bounded
/// ring, whoever is near the end is served from it, and whoever is not reads from the store. A slow
/// subscriber costs nobody anything.
/// With what is new the last event is read once more, and the events up to which subscriptions were
/// served from the store are looked for: if one is not what it was, or the log ends before it, the
/// log was put back to an older state. Then the ring is thrown away and every
/// subscription that was told anything ends with log_rewound.
/// While the store can't be read, subscriptions wait: they end with an error only when that says
/// that waiting is of no use.
/// Threads: any.
class Live {
 public:
  Live(Backend& backend, LiveOptions options);
  ~Live();
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  /// The log has grown, in this process or elsewhere.
  void advanced(Position head);
  /// Ends every subscription with shutting_down.
  void shut_down();

  bool stopped() const;

  /// How often the store has been read for the ring, but for where that begins; for tests and
  /// metrics.
  std::uint64_t reads() const;
  std::size_t subscribers() const;
  /// The cursor of the subscription that is furthest behind; nothing without any.
  std::optional<Position> slowest() const;

  Result<std::unique_ptr<Subscription>> subscribe(SubscribeRequest request,
                                                  std::shared_ptr<void> keep_alive);

 private:
  class LiveSubscription;
  using Chunk = std::shared_ptr<const Batch>;

  /// What the ring holds past a cursor.
  struct Recent {
    std::uint64_t rewinds = 0;
    Position rewound_to;
    bool in_ring = false;  ///< the cursor is not older than the ring
    std::vector<Chunk> chunks;
    Position head;  ///< of the log, as far as it has been read
    Position end;   ///< the head, or the cursor when that lies past it
  };

  void run();
  /// Reads the store. Errors: those of the backend, log_rewound.
  Result<ReadStep> read(const ReadRequest& request);
  /// Unless that was noticed since it had been rewound `before` times.
  void rewound(std::uint64_t before, Position head);
  /// The log's head, whose mark is known from then on. Errors: as read().
  Result<Position> look(const CallOptions& call);
  Result<void> begin_ring(const CallOptions& call);
  bool start_ring();
  bool confirm_ahead(const ReadStep& step);
  void drop_ring();
  /// Reads what is new into the ring. The error for which the store could not be read to its end.
  Result<void> fill();
  void pause(std::unique_lock<std::mutex>& lock, const Error& why);
  /// Keeps `wake` until the store can be read again. False: live no more.
  bool park(std::uint64_t id, std::function<void()> wake);
  Recent recent(Position cursor) const;
  bool wait_past(Position cursor, std::uint64_t id, std::function<void()> wake);
  void wake_all();
  void wake_one(std::uint64_t id);
  using Cursor = std::atomic<std::uint64_t>;
  std::uint64_t enter(const Cursor& cursor);
  void leave(std::uint64_t id);

  Backend& backend_;
  const LiveOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool dirty_ = false;
  std::size_t subscribers_ = 0;
  std::map<std::uint64_t, const Cursor*> cursors_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::function<void()>> waiting_;
  /// Those among them whose read failed, whatever the ring holds.
  bool parked_ = false;
  /// Ends the reads of the thread.
  std::stop_source stop_;

  /// How often the log was found to be rewound, and where it ended the last time.
  std::uint64_t rewinds_ = 0;
  Position rewound_to_;
  /// As far as the log was seen to reach, while there are subscribers.
  Position seen_;

  // (ring_begin_, ring_end_] in chunks. Only the thread moves ring_end_.
  bool ring_started_ = false;
  Position ring_begin_;
  Position ring_end_;
  /// Of the event at ring_end_.
  std::optional<Mark> mark_;
  /// Of events past the ring's end up to which subscriptions read the store, in order.
  std::deque<Mark> ahead_;
  std::deque<Chunk> ring_;
  std::size_t ring_bytes_ = 0;
  std::uint64_t reads_ = 0;

  std::jthread thread_;
};

}  // namespace weir::engine
