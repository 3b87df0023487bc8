#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include <weir/base/uuid.hpp>
#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {

/// What writers tell on the channel weir_append when they have appended: the log's id, and by which
/// of all sessions of all writers, "7 0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11". Earlier versions tell,
/// and read, the log's id alone. The number of the server process says nothing: after a restart or
/// a fail-over another's session may have that of one of ours.
std::string announcement(std::int32_t log_id, const Uuid& session);

/// Listens for appends of other processes on a connection and a thread of its own, from the first
/// listener on. After a connection was lost all listeners are called: something may have been
/// missed. So they are, once a second at most, after each attempt to make one that failed, since
/// reads may work all the same.
/// Behind a pooler, which may hand each transaction to another server process, notifications can't
/// be relied on: then all listeners are called five times a second.
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

  /// Sessions that write for us: what they announce is known already.
  void add_own(const Uuid& session);
  void remove_own(const Uuid& session);
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
  std::set<Uuid> own_;
  std::atomic<bool> polls_ = false;
  std::mutex pause_mutex_;
  std::condition_variable_any pause_;
  std::jthread thread_;
};

}  // namespace weir::postgres
