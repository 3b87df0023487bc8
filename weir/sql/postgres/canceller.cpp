#include <weir/sql/postgres/canceller.hpp>

#include <pthread.h>

#include <system_error>
#include <thread>

namespace weir::postgres {

Canceller& Canceller::of_process() {
  // Never destroyed: sessions that live as long as the program does may still need it.
  static auto& canceller = *new Canceller(Options());
  return canceller;
}

Canceller::~Canceller() {
  std::deque<Request> dropped;
  const std::lock_guard lock(shared_->mutex);
  dropped.swap(shared_->waiting);
  for (auto& request : dropped) request.sent->settle(false);
}

bool Canceller::Sent::wait_until(Instant until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] { return state_ != State::pending; });
  return state_ == State::taken;
}

void Canceller::Sent::settle(bool taken) {
  {
    const std::lock_guard lock(mutex_);
    state_ = taken ? State::taken : State::failed;
  }
  changed_.notify_all();
}

std::shared_ptr<Canceller::Sent> Canceller::request(UniqueFunction<bool()> send) {
  auto sent = std::make_shared<Sent>();
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->waiting.size() >= options_.waiting_max) {
      sent->settle(false);
      return sent;
    }
    shared_->waiting.push_back({std::move(send), sent});
    if (shared_->running >= options_.at_once_max) return sent;
    ++shared_->running;
  }
  try {
    // Nobody waits for it: it may hang as long as the server does.
    std::thread([shared = shared_] { run(shared); }).detach();
  } catch (const std::system_error&) {  // no thread is left; the next request tries again
    const std::lock_guard lock(shared_->mutex);
    --shared_->running;
  }
  return sent;
}

void Canceller::run(const std::shared_ptr<Shared>& shared) {
  pthread_setname_np(pthread_self(), "weir-cancel");
  std::unique_lock lock(shared->mutex);
  while (!shared->waiting.empty()) {
    auto request = std::move(shared->waiting.front());
    shared->waiting.pop_front();
    lock.unlock();
    request.sent->settle(request.send());
    lock.lock();
  }
  --shared->running;
}

}  // namespace weir::postgres
