#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {

/// The channel on which writers tell, with the log's id, that they have appended.
inline constexpr std::string_view append_channel = "weir_append";

/// Listens for appends of other processes on a connection and a thread of its own, from the first
/// listener on. After a connection was lost all listeners are called: something may have been
/// missed. Behind a pooler, which may hand each transaction to another server process,
/// notifications can't be relied on: then all listeners are called five times a second.
/// Threads: any. Listeners are called on the listening thread, one at a time; they must be short
/// and must not call back in here.
class Listener {
 public:
  Listener(ConnectOptions connect, const Clock& clock);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// `owner` stands for the listener when it is taken away.
  void add(const void* owner, std::int32_t log_id, std::function<void()> listener);
  /// Once it returns the listener is not being called and won't be again.
  void remove(const void* owner);

  /// Server processes that write for us: what they announce is known already.
  void add_own(int process);
  void remove_own(int process);
  /// It asks because a pooler stands between.
  bool polls() const { return polls_; }

  /// As if the log had been announced: after a commit whose outcome stayed unknown.
  void call(std::int32_t log_id);

 private:
  struct Entry {
    std::int32_t log_id;
    std::function<void()> listener;
  };
  void run(const std::stop_token& stop);
  Result<void> listen(const std::stop_token& stop, bool& connected);
  Result<void> poll(const std::stop_token& stop);
  void call_all();
  void wait_for(std::chrono::milliseconds time, const std::stop_token& stop);
  void heard(const Notification& notification);

  const ConnectOptions connect_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<const void*, Entry> entries_;
  std::set<int> own_;
  std::atomic<bool> polls_ = false;
  std::mutex pause_mutex_;
  std::condition_variable_any pause_;
  std::jthread thread_;
};

}  // namespace weir::postgres
