#include <weir/base/batching.hpp>

#include <utility>
#include <vector>

namespace weir {
namespace {

thread_local std::vector<UniqueFunction<void()>> put_off;

}  // namespace

thread_local int Batching::depth_ = 0;

void Batching::at_end(UniqueFunction<void()> task) {
  if (!active()) return task();
  put_off.push_back(std::move(task));
}

void Batching::flush() {
  // As at the end of the scope, so that the tasks do not put themselves off again.
  const int depth = std::exchange(depth_, 0);
  run_put_off();
  depth_ = depth;
}

void Batching::run_put_off() {
  if (put_off.empty()) return;
  // A task may open a scope of its own, which then ends in here.
  auto tasks = std::exchange(put_off, {});
  for (auto& task : tasks) task();
}

}  // namespace weir
