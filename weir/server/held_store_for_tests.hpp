#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include <weir/store/testing/passing_store.hpp>

namespace weir::server {

/// Answers appends and looks at the head only when the test lets it, whatever their deadlines.
/// Threads: any.
class HeldStore : public testing::PassingStore {
 public:
  using PassingStore::append;
  using PassingStore::head;
  using PassingStore::PassingStore;
  void append(AppendRequest request, Done<Appended> done) override {
    later([this, request = std::move(request), done = std::move(done)]() mutable {
      done(PassingStore::append(std::move(request)));
    });
  }
  void head(CallOptions call, Done<Position> done) override {
    later([this, call = std::move(call), done = std::move(done)]() mutable {
      done(PassingStore::head(std::move(call)));
    });
  }

  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  void release() {
    std::vector<UniqueFunction<void()>> waiting;
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
      waiting.swap(waiting_);
    }
    for (auto& answer : waiting) answer();
  }

 private:
  void later(UniqueFunction<void()> answer) {
    std::unique_lock lock(mutex_);
    if (held_) return waiting_.push_back(std::move(answer));
    lock.unlock();
    answer();
  }

  std::mutex mutex_;
  bool held_ = false;
  std::vector<UniqueFunction<void()>> waiting_;
};

}  // namespace weir::server
