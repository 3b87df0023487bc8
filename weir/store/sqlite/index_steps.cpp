#include <weir/store/sqlite/index_steps.hpp>

#include <algorithm>

namespace weir::sqlite {

void IndexQueue::push(IndexStep step) {
  const std::lock_guard lock(mutex_);
  steps_.push_back(std::move(step));
}

std::size_t IndexQueue::share(std::size_t events) const {
  const std::lock_guard lock(mutex_);
  // A block holds some 250 events' postings, and each posting is written a few times over as runs
  // merge: a block for every 40 events keeps up, and a full queue is drained faster.
  const auto wanted = std::max({std::size_t{2}, events / 40, steps_.size() / 16});
  return std::min({steps_.size(), wanted, std::size_t{256}});
}

std::size_t IndexQueue::size() const {
  const std::lock_guard lock(mutex_);
  return steps_.size();
}

std::vector<const IndexStep*> IndexQueue::peek(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  std::vector<const IndexStep*> steps;
  for (std::size_t i = 0; i < std::min(count, steps_.size()); ++i) steps.push_back(&steps_[i]);
  return steps;
}

void IndexQueue::done(std::size_t count) {
  const std::lock_guard lock(mutex_);
  steps_.erase(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(count));
}

IndexApplier::IndexApplier(Statement insert, Statement remove, Statement publish, Statement replace,
                           Statement advance)
    : insert_(std::move(insert)),
      remove_(std::move(remove)),
      publish_(std::move(publish)),
      replace_(std::move(replace)),
      advance_(std::move(advance)) {}

Result<IndexApplier> IndexApplier::create(Session& session) {
  WEIR_TRY_ASSIGN(insert, session.prepare("INSERT INTO block (id, postings) VALUES (?, ?)"));
  WEIR_TRY_ASSIGN(remove, session.prepare("DELETE FROM block WHERE id BETWEEN ? AND ?"));
  WEIR_TRY_ASSIGN(publish, session.prepare("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)"));
  WEIR_TRY_ASSIGN(replace, session.prepare("DELETE FROM run WHERE id = ?"));
  WEIR_TRY_ASSIGN(advance, session.prepare("UPDATE meta SET value = value + 1 "
                                           "WHERE key = 'index_generation'"));
  return IndexApplier(std::move(insert), std::move(remove), std::move(publish), std::move(replace),
                      std::move(advance));
}

Result<void> IndexApplier::apply(const IndexStep& step) {
  return std::visit([this](const auto& s) { return apply(s); }, step);
}

Result<void> IndexApplier::apply(const InsertBlock& step) {
  insert_.bind(1, step.id);
  insert_.bind_blob(2, step.postings);
  return insert_.run();
}

Result<void> IndexApplier::apply(const DeleteBlocks& step) {
  remove_.bind(1, step.first);
  remove_.bind(2, step.last);
  return remove_.run();
}

Result<void> IndexApplier::apply(const PublishRun& step) {
  for (const auto id : step.replaces) {
    replace_.bind(1, id);
    WEIR_TRY(replace_.run());
  }
  const auto fences = encode_fences(step.run.fences);
  publish_.bind(1, step.run.id);
  publish_.bind(2, step.run.level);
  publish_.bind(3, static_cast<std::int64_t>(step.run.first.value));
  publish_.bind(4, static_cast<std::int64_t>(step.run.last.value));
  publish_.bind(5, step.run.first_block);
  publish_.bind(6, static_cast<std::int64_t>(step.run.fences.size()));
  publish_.bind_blob(7, fences);
  WEIR_TRY(publish_.run());
  return advance_.run();
}

}  // namespace weir::sqlite
