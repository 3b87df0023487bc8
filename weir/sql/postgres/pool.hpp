#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {

struct PoolOptions {
  /// Named in errors. Default "readers".
  std::string name = "readers";
  /// Connections at most. At least 1. Default 8.
  std::size_t sessions_max = 8;
  /// Callers that may wait for one; past it the answer is resource_exhausted. Default 1024.
  std::size_t waiting_max = 1024;
  /// How long a caller without a deadline waits for one. Default 5 s.
  std::chrono::milliseconds wait_max{5000};
  ConnectOptions connect = {};
};

/// A bounded set of connections, made when first needed and lent one at a time.
/// Threads: any. Must outlive its leases.
class Pool {
 public:
  Pool(PoolOptions options, const Clock& clock);
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
    Lease(Pool& pool, std::unique_ptr<Session> session, bool used)
        : pool_(&pool), session_(std::move(session)), used_(used) {}
    Pool* pool_;
    std::unique_ptr<Session> session_;
    bool used_;
  };

  /// Waits until one is free.
  /// Errors: deadline_exceeded, cancelled, resource_exhausted (too many wait, or too long), and
  /// those of connecting.
  Result<Lease> checkout(const Patience& patience);
  /// Closes the connections that nobody uses; after the server was seen to have gone.
  void drop_idle();

  std::size_t in_use() const;

 private:
  void give_back(std::unique_ptr<Session> session);
  Result<void> wait_for_turn(std::unique_lock<std::mutex>& lock, const Patience& patience);

  const PoolOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any free_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::size_t in_use_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace weir::postgres
