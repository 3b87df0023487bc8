#include <weir/rpc/poller.hpp>

#include <grpc/support/time.h>
#include <pthread.h>

#include <chrono>
#include <optional>
#include <utility>

#include <weir/base/batching.hpp>
#include <weir/rpc/start.hpp>

namespace weir::rpc {
namespace {

/// Told in one scope at most: what is put off until its end is not to wait for long.
constexpr int together_max = 64;
/// How often the stand-in looks: work that it finds twice is taking too long.
constexpr std::chrono::milliseconds look_every{2};
/// Looks without any new work after which it sleeps until there is some.
constexpr int looks_in_vain_max = 64;

}  // namespace

Poller::Poller(std::unique_ptr<grpc::CompletionQueue> queue, const char* name, StandIn stand_in)
    : queue_(std::move(queue)), thread_([this, name] { run(name); }) {
  if (stand_in == StandIn::yes) other_thread_ = std::thread([this, name] { run(name); });
}

Poller::~Poller() {
  for (auto calls = calls_.load(); calls > 0; calls = calls_.load()) calls_.wait(calls);
  queue_->Shutdown();
  thread_.join();
  if (other_thread_.joinable()) other_thread_.join();
}

void Poller::run(const char* name) {
  pthread_setname_np(pthread_self(), name);
  std::unique_lock lock(mutex_);
  while (!over_) {
    // When it comes back from standing in, the queue is this thread's, or nobody's.
    if (std::exchange(taken_, true)) stand_in(lock);
    if (over_) return;
    lock.unlock();
    const bool over = poll();
    lock.lock();
    if (!over) continue;  // the other thread has it
    over_ = true;
    changed_.notify_all();
  }
}

/// True: the queue is over; false: the other thread has it now.
bool Poller::poll() {
  void* tag = nullptr;
  bool ok = false;
  const auto at_once = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  while (queue_->Next(&tag, &ok)) {
    std::optional<MayBlock> later;
    if (may_block_.load(std::memory_order_acquire)) later.emplace();
    {
      const Batching together;
      int told = 0;
      do {
        static_cast<Tag*>(tag)->completed(ok);
      } while (++told < together_max &&
               queue_->AsyncNext(&tag, &ok, at_once) == grpc::CompletionQueue::GOT_EVENT);
    }
    if (later && !later->empty() && !block(*later)) return false;
  }
  return true;
}

/// False: the other thread has the queue now.
bool Poller::block(MayBlock& work) {
  auto piece = pieces_.fetch_add(1) + 1;
  blocking_.store(piece);
  if (!looking_.load()) {
    const std::lock_guard lock(mutex_);
    look_ = true;
    changed_.notify_all();
  }
  work.run();
  return blocking_.compare_exchange_strong(piece, 0);
}

void Poller::stand_in(std::unique_lock<std::mutex>& lock) {
  may_block_ = true;
  std::uint64_t last_seen = 0, last_piece = 0;
  while (!over_) {
    if (!std::exchange(look_, false)) {
      looking_ = false;
      // What began before that was seen does not wake it.
      if (blocking_.load() == 0) changed_.wait(lock, [this] { return look_ || over_; });
    }
    looking_ = true;
    for (int in_vain = 0; in_vain < looks_in_vain_max && !over_;) {
      changed_.wait_for(lock, look_every, [this] { return over_; });
      auto piece = blocking_.load();
      if (piece != 0 && piece == last_seen && blocking_.compare_exchange_strong(piece, 0)) {
        may_block_ = looking_ = false;
        return;
      }
      last_seen = piece;
      const auto newest = pieces_.load();
      in_vain = newest == std::exchange(last_piece, newest) ? in_vain + 1 : 0;
    }
  }
}

Poller& client_poller() {
  static auto& poller = *[] {
    start_grpc();
    return new Poller(std::make_unique<grpc::CompletionQueue>(), "weir-client");
  }();
  return poller;
}

}  // namespace weir::rpc
