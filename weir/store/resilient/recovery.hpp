#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/requests.hpp>
#include <weir/store/resilient/recovery_schedule.hpp>

namespace weir::resilient {

/// What a look has found: a database that answers.
struct Answering {
  /// Also to writers: it is no replica, and not read-only.
  bool writes = true;
};

/// Asks the database by a cheap query of its own, on a connection that no caller waits for, within
/// the deadline, and heeds the stop token. Must not throw.
using Look = std::function<Result<Answering>(const CallOptions& call)>;

/// While circuits are open, looks now and then whether the database answers again, and half-opens
/// them at once when it does: one look at a time, on a thread of its own, which sleeps while all
/// are closed. A look is evidence, no proof: closing a circuit takes successful calls as ever, and
/// a circuit that nobody's look can help ends its break by itself.
/// Threads: any.
class Recovery {
 public:
  /// `options` must have passed check(). `clock` must outlive it.
  Recovery(const RecoveryOptions& options, const Clock& clock);
  /// Ends the look that is under way.
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  struct Circuit {
    resilience::Pipeline pipeline;
    /// It is half-opened only when the database takes writes.
    bool writes = false;
  };
  /// May be told again with another look, which takes the place of the last.
  void begin(std::vector<Circuit> circuits, Look look);
  /// Takes other options.
  void replace(const RecoveryOptions& options);

  /// For the circuits' pipelines: hears when they change, and hands on what it hears to `to`, which
  /// may be null. May outlive this.
  std::shared_ptr<resilience::Listener> listener(std::shared_ptr<resilience::Listener> to) const;

 private:
  class Hearing;
  /// Shared with listeners.
  struct Signal {
    std::mutex mutex;
    std::condition_variable_any wake;
    bool changed = false;
  };
  /// A circuit that is open, and since which change.
  struct Open {
    resilience::CorePtr core;
    bool writes;
    std::uint64_t generation;
  };
  void run(const std::stop_token& stop);
  std::vector<Open> open_circuits();
  /// When to look next; nothing when no circuit is open.
  std::optional<Instant> next();
  void look(const std::stop_token& stop);
  void expect_looks();

  const Clock& clock_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  std::mutex mutex_;  // guards the rest
  std::vector<Circuit> circuits_;
  Look look_;
  RecoveryOptions options_;
  RecoverySchedule schedule_;
  std::jthread thread_;
};

}  // namespace weir::resilient
