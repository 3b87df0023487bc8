#include <weir/resilience/core/timers.hpp>

#include <pthread.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace weir::resilience {
namespace {

/// What is due, and the thread that waits for it.
class Agenda {
 public:
  ~Agenda() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  std::uint64_t add(Instant at, std::stop_source source) {
    std::uint64_t id = 0;
    {
      const std::lock_guard lock(mutex_);
      id = ++last_id_;
      due_.emplace(Key{at, id}, std::move(source));
      if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    }
    changed_.notify_all();
    return id;
  }

  void remove(Instant at, std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    due_.erase(Key{at, id});
  }

 private:
  using Key = std::pair<Instant, std::uint64_t>;

  void run() {
    pthread_setname_np(pthread_self(), "weir-deadlines");
    std::unique_lock lock(mutex_);
    while (!ending_) {
      if (due_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto [at, id] = due_.begin()->first;
      if (changed_.wait_until(lock, at) == std::cv_status::no_timeout) continue;
      const auto found = due_.find(Key{at, id});
      if (found == due_.end()) continue;
      auto source = std::move(found->second);
      due_.erase(found);
      lock.unlock();
      source.request_stop();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::stop_source> due_;
  std::uint64_t last_id_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

class SystemTimers final : public Timers {
 public:
  bool wait(Instant until, const std::stop_token& stop) override {
    std::mutex mutex;
    std::condition_variable_any never_notified;
    std::unique_lock lock(mutex);
    never_notified.wait_until(lock, stop, until, [] { return false; });
    return !stop.stop_requested();
  }

  std::unique_ptr<Armed> stop_at(Instant at, std::stop_source source) override {
    return std::make_unique<Due>(agenda_, at, agenda_->add(at, std::move(source)));
  }

 private:
  struct Due final : Armed {
    Due(std::shared_ptr<Agenda> of, Instant when, std::uint64_t number)
        : agenda(std::move(of)), at(when), id(number) {}
    ~Due() override { agenda->remove(at, id); }
    std::shared_ptr<Agenda> agenda;
    Instant at;
    std::uint64_t id;
  };
  const std::shared_ptr<Agenda> agenda_ = std::make_shared<Agenda>();
};

}  // namespace

Timers& system_timers() {
  static SystemTimers timers;
  return timers;
}

}  // namespace weir::resilience
