#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/sql/pool/options.hpp>

namespace weir::sql {

/// Numbers of this pool's own, never used again.
using ConnectionId = std::uint64_t;
using CallerId = std::uint64_t;

/// What is to be done, in this order. A caller is named at most once more after borrow().
struct PoolActions {
  struct Lend {
    CallerId caller;
    ConnectionId connection;
    /// It has not been used for a while: try it first. If it is dead, report it by given_back() as
    /// unusable and borrow again.
    bool validate = false;

    bool operator==(const Lend&) const = default;
  };
  std::vector<ConnectionId> close;
  std::vector<Lend> lend;
  /// Open these, and report each by opened() or open_failed().
  std::vector<ConnectionId> open;
  /// Try these idle ones, and report each by validated().
  std::vector<ConnectionId> validate;
  /// Make these as if new, and report each by validated().
  std::vector<ConnectionId> reset;
  /// These callers have waited in vain until their deadline.
  std::vector<CallerId> timed_out;
  /// These have waited for a connection that could not be opened: they are told why.
  std::vector<CallerId> failed;
  /// These are lent for longer than the threshold.
  std::vector<ConnectionId> leaked;
};

/// Numbers for metrics and health.
struct PoolState {
  std::size_t in_use = 0;
  std::size_t idle = 0;
  std::size_t opening = 0;
  std::size_t waiting = 0;
  /// In use at once at most: size_max unless automatic_size says otherwise.
  std::size_t limit = 0;
};

/// In what state a connection comes back.
enum class Returned : std::uint8_t {
  usable,
  to_reset,  ///< usable once it has been reset
  unusable,
  server_left,  ///< unusable; others that were opened before are likely to be, too
};

/// Decides for a pool: (event, now) -> actions. Makes no connection and reads no clock.
/// Threads: one at a time.
class PoolCore {
 public:
  /// `options` must have passed check().
  explicit PoolCore(PoolOptions options)
      : options_(std::move(options)), limit_(options_.size_max) {}

  /// A caller wants a connection; it gets one by an action, now or later.
  /// Errors: resource_exhausted (too many wait).
  Result<CallerId> borrow(Instant now, std::optional<Instant> deadline, PoolActions& actions);
  /// It no longer wants it. False when it has been lent one already, which it must give back.
  bool withdraw(CallerId caller);

  /// `chance` in [0, 1) shortens the connection's life: see PoolOptions::lifetime_jitter.
  void opened(ConnectionId connection, Instant now, double chance, PoolActions& actions);
  /// Who has waited longest fails with it; for the others there are attempts of their own.
  void open_failed(ConnectionId connection, PoolActions& actions);
  void given_back(ConnectionId connection, Instant now, Returned state, PoolActions& actions);
  /// The end of trying or resetting it: usable, unusable or server_left.
  void validated(ConnectionId connection, Instant now, Returned state, PoolActions& actions);
  /// Time has passed. To be called a few times a second.
  void tick(Instant now, PoolActions& actions);

  /// Every connection that is idle is closed, and every other that is open once it comes back: the
  /// server they lead to is no longer the right one.
  void renew(PoolActions& actions);

  /// From now on at most so many are lent at once; those lent already stay. Range 1 to size_max.
  void limit(std::size_t in_use_max, Instant now, PoolActions& actions);

  PoolState state() const;

 private:
  enum class Phase : std::uint8_t { opening, lent, idle, validating };
  struct Connection {
    Phase phase = Phase::opening;
    Instant since{};  ///< in this phase
    Instant tried{};  ///< last known to be alive
    std::optional<Instant> expires;
    bool old = false;  ///< to be closed when it comes back
    bool reported = false;
  };
  struct Caller {
    CallerId id;
    Instant deadline;
  };

  bool may_lend() const { return count(Phase::lent) < limit_; }
  void serve(Instant now, PoolActions& actions);
  void make_idle(ConnectionId id, Instant now, PoolActions& actions);
  void remove(ConnectionId id, PoolActions& actions);
  void discard(ConnectionId id, Instant now, Returned why, PoolActions& actions);
  bool expired(const Connection& connection, Instant now) const;
  std::size_t count(Phase phase) const;
  void open_one(Instant now, PoolActions& actions);
  void look_at_idle(Instant now, PoolActions& actions);
  void look_at_lent(Instant now, PoolActions& actions);

  const PoolOptions options_;
  std::size_t limit_;
  std::map<ConnectionId, Connection> connections_;
  /// The last one returned is lent first: the others may grow old and be closed.
  std::vector<ConnectionId> idle_;
  std::deque<Caller> waiting_;
  std::uint64_t next_id_ = 1;
};

}  // namespace weir::sql
