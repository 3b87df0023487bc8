#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <weir/resilience/adaptive_limit/adaptive_limit.hpp>
#include <weir/sql/pool/pool_core.hpp>
#include <weir/sql/postgres/pool_reports.hpp>
#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {

struct PoolOptions {
  /// Sizes, lifetimes and limits. The command timeout and what is kept prepared hold for its
  /// connections, whatever `connect` says.
  sql::PoolOptions limits = {};
  /// Its reporting gets the pool's metrics too: db.client.connection.*.
  ConnectOptions connect = {};
  /// Told of every event, on the thread that caused it; must be quick. Default: nobody.
  std::function<void(const PoolEvent&)> listener = nullptr;
};

/// A bounded set of connections, made when first needed and lent one at a time, to whoever has
/// waited longest. sql::PoolCore decides; this connects, on a thread of its own, so that no caller
/// is held up past its deadline, tries and resets, on another, and closes.
///
/// What a borrow costs: one look at the socket (no round trip), which shows that the other end has
/// gone. Only one that was idle for validate_after is tried by a round trip; the others are tried
/// in the background (keepalive). When one connection shows that its server has left, all that were
/// opened before are closed.
/// Threads: any. Must outlive its leases.
class Pool {
 public:
  /// `options.limits` must have passed sql::check().
  Pool(PoolOptions options, const Clock& clock);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A session on loan; goes back when destroyed, unless it is broken.
  class Lease {
   public:
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Session& operator*() const { return *session_; }
    Session* operator->() const { return session_.get(); }
    /// It has been used before, so that its connection may have died unnoticed.
    bool used() const { return used_; }

   private:
    friend class Pool;
    Lease(Pool& pool, sql::ConnectionId id, std::unique_ptr<Session> session, bool used,
          Instant since)
        : pool_(&pool), id_(id), session_(std::move(session)), used_(used), since_(since) {}
    Pool* pool_;
    sql::ConnectionId id_;
    std::unique_ptr<Session> session_;
    bool used_;
    Instant since_;
  };

  /// Waits until one is free.
  /// Errors: deadline_exceeded, cancelled, resource_exhausted (too many wait, or too long), and
  /// those of connecting.
  Result<Lease> checkout(const Patience& patience);
  /// Closes the connections that nobody uses, and the others once they come back.
  void drop_idle();

  sql::PoolState state() const;
  const std::string& name() const { return options_.limits.name; }

 private:
  /// A caller that waits in checkout().
  struct Waiter {
    std::condition_variable_any changed;
    std::variant<std::monostate, sql::PoolActions::Lend, Error> outcome;
  };
  struct Kept {
    std::unique_ptr<Session> session;
    bool used = false;
  };
  /// What is done outside of the lock.
  struct Work {
    std::vector<std::unique_ptr<Session>> closed;
    std::size_t leaked = 0;
  };

  Result<Lease> checkout_once(const Patience& patience, Instant began, bool& dead);
  Error gave_up(const Patience& patience) const;
  Work take(const sql::PoolActions& actions, const Error* why = nullptr);
  void finish(Work work) const;
  /// `used`: for how long; nothing when it was never handed to its caller.
  void give_back(sql::ConnectionId id, std::unique_ptr<Session> session,
                 std::optional<Instant::duration> used);
  sql::Returned state_of(Session& session) const;
  void learn(bool usable, std::optional<Instant::duration> used, Instant now);
  double chance();
  void keep_opening(const std::stop_token& stop);
  void maintain(const std::stop_token& stop);
  void open(sql::ConnectionId id, const std::stop_token& stop);
  enum class Look : std::uint8_t { try_it, reset };
  void look_after(sql::ConnectionId id, Look how, const std::stop_token& stop);
  void tell(PoolEvent event) const;
  void observe();

  const PoolOptions options_;
  const ConnectOptions connect_;
  const Clock& clock_;
  const PoolReports reports_;
  mutable std::mutex mutex_;
  std::condition_variable_any opening_;
  std::condition_variable_any maintenance_;
  sql::PoolCore core_;
  /// Null unless the pool's size is automatic. Its calls in flight are the connections lent.
  const std::unique_ptr<resilience::AdaptiveLimit> limit_;
  /// Those that are not lent.
  std::map<sql::ConnectionId, Kept> kept_;
  std::map<sql::CallerId, Waiter*> waiters_;
  /// For the opening thread.
  std::deque<sql::ConnectionId> to_open_;
  /// For the maintenance thread.
  std::deque<std::pair<sql::ConnectionId, Look>> to_look_after_;
  std::minstd_rand chance_;
  std::vector<std::unique_ptr<telemetry::Observed>> observed_;
  std::jthread opener_;
  std::jthread thread_;
};

}  // namespace weir::postgres
