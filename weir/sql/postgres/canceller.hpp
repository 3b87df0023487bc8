#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include <weir/base/time.hpp>
#include <weir/base/unique_function.hpp>

namespace weir::postgres {

/// Sends requests to stop a statement, so that no caller waits for one: each is a connection of its
/// own to the server, and libpq's way to send it blocks for as long as a frozen server likes. A few
/// at once; those past the queue are not sent, and then the server finds the connection closed.
/// Threads: any. Requests under way outlive it.
class Canceller {
 public:
  struct Options {
    /// Requests under way at once. At least 1. Default 4.
    std::size_t at_once_max = 4;
    /// Requests that wait. Default 64.
    std::size_t waiting_max = 64;
  };

  explicit Canceller(Options options) : options_(options) {}
  ~Canceller();
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  /// The one that sessions use unless they are given another.
  static Canceller& of_process();

  /// How a request went.
  class Sent {
   public:
    /// Waits until then. True when the server has taken the request, so that it can hit no later
    /// statement.
    bool wait_until(Instant until);

   private:
    friend class Canceller;
    void settle(bool taken);
    enum class State { pending, taken, failed };
    std::mutex mutex_;
    std::condition_variable changed_;
    State state_ = State::pending;
  };

  /// `send` blocks until the server has taken the request, and says whether it did.
  std::shared_ptr<Sent> request(UniqueFunction<bool()> send);

 private:
  struct Request {
    UniqueFunction<bool()> send;
    std::shared_ptr<Sent> sent;
  };
  struct Shared {
    std::mutex mutex;
    std::deque<Request> waiting;
    std::size_t running = 0;
  };
  static void run(const std::shared_ptr<Shared>& shared);

  const Options options_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace weir::postgres
