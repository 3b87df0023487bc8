#include <weir/base/executor.hpp>

#include <pthread.h>

#include <weir/base/assert.hpp>

namespace weir {

Executor::Executor(Options options) : queue_max_(options.queue_max) {
  WEIR_ASSERT(options.threads > 0);
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([shared = shared_, name = options.name] { run(*shared, name); });
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

void Executor::run(Shared& shared, const char* name) {
  pthread_setname_np(pthread_self(), name);
  std::unique_lock lock(shared.mutex);
  while (true) {
    shared.wake.wait(lock, [&] { return shared.stopping || !shared.tasks.empty(); });
    if (shared.tasks.empty()) return;
    auto task = std::move(shared.tasks.front());
    shared.tasks.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace weir
