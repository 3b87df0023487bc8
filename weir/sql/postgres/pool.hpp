#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <variant>

#include <weir/sql/pool/pool_core.hpp>
#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {

/// Something happened to a connection of a pool.
struct PoolEvent {
  enum class Kind : std::uint8_t {
    connecting,
    connected,
    failed,
    borrowed,
    returned,
    closed,
    leaked,
  };
  Kind kind;
  /// connected, failed: of connecting; borrowed: of waiting for it; returned: of using it.
  Instant::duration took{};
};

struct PoolOptions {
  /// Sizes, lifetimes and limits.
  sql::PoolOptions limits = {};
  ConnectOptions connect = {};
  /// Told of every event, on the thread that caused it; must be quick. Default: nobody.
  std::function<void(const PoolEvent&)> listener = nullptr;
};

/// A bounded set of connections, made when first needed and lent one at a time, to whoever has
/// waited longest. sql::PoolCore decides; this connects and tries, on a thread of its own, so that
/// no caller is held up past its deadline, and closes.
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
  /// Closes the connections that nobody uses, and the others once they come back; after the server
  /// was seen to have gone.
  void drop_idle();

  sql::PoolState state() const;

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
  void give_back(sql::ConnectionId id, std::unique_ptr<Session> session);
  void maintain(const std::stop_token& stop);
  void open(sql::ConnectionId id, const std::stop_token& stop);
  void validate(sql::ConnectionId id, const std::stop_token& stop);
  void tell(PoolEvent::Kind kind, Instant::duration took = {}) const;

  const PoolOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any maintenance_;
  sql::PoolCore core_;
  /// Those that are not lent.
  std::map<sql::ConnectionId, Kept> kept_;
  std::map<sql::CallerId, Waiter*> waiters_;
  /// For the maintenance thread.
  std::deque<sql::ConnectionId> to_open_;
  std::deque<sql::ConnectionId> to_validate_;
  std::minstd_rand chance_;
  std::jthread thread_;
};

}  // namespace weir::postgres
