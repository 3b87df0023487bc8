#include <weir/base/executor.hpp>

#include <pthread.h>

#include <optional>

#include <weir/base/assert.hpp>
#include <weir/base/batching.hpp>

namespace weir {

Executor::Executor(Options options) : queue_max_(options.queue_max) {
  WEIR_ASSERT(options.threads > 0);
  WEIR_ASSERT(options.together_max > 0);
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([shared = shared_, options] {
      pthread_setname_np(pthread_self(), options.name);
      run(*shared, options.together_max);
    });
  }
}

Executor::~Executor() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->wake.notify_all();
  for (auto& thread : threads_) {
    if (thread.get_id() == std::this_thread::get_id()) {
      thread.detach();
    } else {
      thread.join();
    }
  }
}

bool Executor::post(UniqueFunction<void()> task) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->tasks.size() >= queue_max_) return false;
    shared_->tasks.push_back(std::move(task));
  }
  shared_->wake.notify_one();
  return true;
}

void Executor::post_always(UniqueFunction<void()> task) {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->tasks.push_back(std::move(task));
  }
  shared_->wake.notify_one();
}

std::size_t Executor::queue_depth() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->tasks.size();
}

void Executor::run(Shared& shared, std::size_t together_max) {
  std::unique_lock lock(shared.mutex);
  while (true) {
    shared.wake.wait(lock, [&] { return shared.stopping || !shared.tasks.empty(); });
    if (shared.tasks.empty()) return;
    if (together_max == 1 || shared.tasks.size() == 1) {
      run_one(shared, lock);
      continue;
    }
    std::optional<Batching> together(std::in_place);
    for (std::size_t i = 0; i < together_max && !shared.tasks.empty(); ++i) run_one(shared, lock);
    lock.unlock();
    together.reset();
    lock.lock();
  }
}

/// The caller holds the lock, and does again afterwards.
void Executor::run_one(Shared& shared, std::unique_lock<std::mutex>& lock) {
  auto task = std::move(shared.tasks.front());
  shared.tasks.pop_front();
  lock.unlock();
  task();
  task = nullptr;
  lock.lock();
}

}  // namespace weir
