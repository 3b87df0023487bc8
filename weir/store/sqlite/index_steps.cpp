#include <weir/store/sqlite/index_steps.hpp>

#include <algorithm>

namespace weir::sqlite {

void IndexQueue::restart(std::int64_t generation) {
  const std::lock_guard lock(mutex_);
  steps_.clear();
  generation_ = generation;
  lost_ = false;
}

void IndexQueue::push(IndexStep step) {
  const std::lock_guard lock(mutex_);
  if (!lost_) steps_.push_back(std::move(step));
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

void IndexQueue::done(const std::vector<const IndexStep*>& steps) {
  const std::lock_guard lock(mutex_);
  generation_ += std::count_if(steps.begin(), steps.end(), [](const IndexStep* step) {
    return std::holds_alternative<PublishRun>(*step);
  });
  steps_.erase(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(steps.size()));
}

std::int64_t IndexQueue::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

void IndexQueue::lose() {
  const std::lock_guard lock(mutex_);
  steps_.clear();
  lost_ = true;
}

bool IndexQueue::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

IndexApplier::IndexApplier(Statement insert, Statement remove, Statement publish, Statement replace,
                           Statement advance, Statement generation)
    : insert_(std::move(insert)),
      remove_(std::move(remove)),
      publish_(std::move(publish)),
      replace_(std::move(replace)),
      advance_(std::move(advance)),
      generation_(std::move(generation)) {}

Result<IndexApplier> IndexApplier::create(Session& session) {
  WEIR_TRY_ASSIGN(insert, session.prepare("INSERT INTO block (id, postings) VALUES (?, ?)"));
  WEIR_TRY_ASSIGN(remove, session.prepare("DELETE FROM block WHERE id BETWEEN ? AND ?"));
  WEIR_TRY_ASSIGN(publish, session.prepare("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)"));
  WEIR_TRY_ASSIGN(replace, session.prepare("DELETE FROM run WHERE id = ?"));
  WEIR_TRY_ASSIGN(advance, session.prepare("UPDATE meta SET value = value + 1 "
                                           "WHERE key = 'index_generation'"));
  WEIR_TRY_ASSIGN(generation,
                  session.prepare("SELECT value FROM meta WHERE key = 'index_generation'"));
  return IndexApplier(std::move(insert), std::move(remove), std::move(publish), std::move(replace),
                      std::move(advance), std::move(generation));
}

Result<std::int64_t> IndexApplier::generation() {
  WEIR_TRY_ASSIGN(row, generation_.step());
  if (!row) return damaged("meta.index_generation is missing");
  const auto generation = generation_.integer(0);
  generation_.reset();
  return generation;
}

Result<void> IndexApplier::advance() {
  return advance_.run();
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
