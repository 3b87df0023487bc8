#include <weir/base/may_block.hpp>

#include <utility>

#include <weir/base/assert.hpp>

namespace weir {

thread_local MayBlock* MayBlock::current_ = nullptr;

void MayBlock::put_off(UniqueFunction<void()> task) {
  WEIR_ASSERT(here());
  current_->tasks_.push_back(std::move(task));
}

void MayBlock::run() {
  for (auto& task : std::exchange(tasks_, {})) task();
}

}  // namespace weir
