#pragma once

#include <memory>
#include <stop_token>

#include <weir/base/time.hpp>

namespace weir::resilience {

/// Waits: what a Clock does not do. An argument, so that tests need not.
/// Threads: any.
class Timers {
 public:
  /// Something that will happen, unless this is destroyed before.
  class Armed {
   public:
    virtual ~Armed() = default;
  };

  virtual ~Timers() = default;
  /// Returns at `until`, or earlier when `stop` is requested. False: stopped.
  virtual bool wait(Instant until, const std::stop_token& stop) = 0;
  /// Requests a stop at `at`, on a thread of its own: what is called then must be brief.
  virtual std::unique_ptr<Armed> stop_at(Instant at, std::stop_source source) = 0;
  /// Whether wait() holds the calling thread. A fake one moves its clock and returns at once.
  virtual bool blocks() const { return true; }
};

/// The machine's. Its one thread starts with the first stop_at().
Timers& system_timers();

}  // namespace weir::resilience
