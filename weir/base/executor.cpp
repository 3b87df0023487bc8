#include <weir/base/executor.hpp>

#include <pthread.h>

#include <weir/base/assert.hpp>

namespace weir {

Executor::Executor(Options options) : queue_max_(options.queue_max) {
  WEIR_ASSERT(options.threads > 0);
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this, name = options.name] { run(name); });
  }
}

Executor::~Executor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  threads_.clear();
}

bool Executor::post(UniqueFunction<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= queue_max_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void Executor::post_always(UniqueFunction<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

std::size_t Executor::queue_depth() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

void Executor::run(const char* name) {
  pthread_setname_np(pthread_self(), name);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace weir
