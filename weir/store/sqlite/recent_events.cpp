#include <weir/store/sqlite/recent_events.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include <weir/base/assert.hpp>
#include <weir/base/prefetch.hpp>

namespace weir::sqlite {
namespace {

/// Chunks whose memory is asked for together, so that it can be a page of two megabytes: events are
/// looked at here and there, and with small pages half of the time goes into finding these.
constexpr std::size_t slab_bytes = 2 << 20;
constexpr std::size_t slab_chunks = slab_bytes / RecentEvents::chunk_bytes;

std::shared_ptr<char[]> make_slab(std::size_t chunks) {
  if (chunks < slab_chunks) {
    return std::shared_ptr<char[]>(new char[chunks * RecentEvents::chunk_bytes]);
  }
  auto* slab = static_cast<char*>(std::aligned_alloc(slab_bytes, slab_bytes));
  if (slab == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // Where the system has none to give, small pages do.
  static_cast<void>(::madvise(slab, slab_bytes, MADV_HUGEPAGE));
#endif
  return {slab, std::free};
}

/// Lines of an event that are asked for ahead: it is judged by the first, and what follows them is
/// on its way by the time that it is copied.
constexpr std::size_t lines_ahead = 4;

}  // namespace

void RecentEvents::put(std::uint64_t file, Position position, std::string_view message) {
  if (message.size() > chunk_bytes || chunks_max_ == 0) return;
  const std::lock_guard lock(mutex_);
  auto* chunks = &of_file_[file];
  if (!chunks->empty() && position < chunks->back().chunk->end()) {
    std::erase_if(all_, [file](const auto& chunk) { return chunk->file == file; });
    chunks->clear();
  }
  if (chunks->empty() || chunks->back().chunk->end() != position ||
      chunks->back().chunk->used() + message.size() > chunk_bytes) {
    auto chunk = make_chunk();
    chunk->file = file;
    chunk->first = position;
    all_.push_back(chunk);
    chunks = &of_file_[file];
    chunks->push_back({position, std::move(chunk)});
  }
  auto& chunk = *chunks->back().chunk;
  const auto used = chunk.used();
  std::memcpy(chunk.bytes.get() + used, message.data(), message.size());
  chunk.ends.push_back(static_cast<std::uint32_t>(used + message.size()));
}

/// The caller holds the lock.
RecentEvents::Place RecentEvents::place(std::uint64_t file, Position position) const {
  const auto found = of_file_.find(file);
  return found == of_file_.end() ? Place{} : place(found->second, position);
}

RecentEvents::Place RecentEvents::place(const Chunks& chunks, Position position) {
  const auto after =
      std::upper_bound(chunks.begin(), chunks.end(), position,
                       [](Position wanted, const Entry& entry) { return wanted < entry.first; });
  return {.before = after == chunks.begin() ? nullptr : &std::prev(after)->chunk,
          .after = after == chunks.end() ? nullptr : &after->chunk};
}

void RecentEvents::find(std::uint64_t file, std::span<const Position> positions,
                        std::span<std::string_view> out, std::span<Held> held) const {
  WEIR_ASSERT(positions.size() <= find_max);
  std::fill(out.begin(), out.end(), std::string_view());
  std::array<const std::shared_ptr<Chunk>*, find_max> chunks{};
  const std::lock_guard lock(mutex_);
  const auto found = of_file_.find(file);
  if (found == of_file_.end()) return;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    chunks[i] = place(found->second, positions[i]).before;
    if (chunks[i] != nullptr) prefetch(chunks[i]->get());
  }
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (chunks[i] != nullptr && positions[i] >= (*chunks[i])->end()) chunks[i] = nullptr;
    if (chunks[i] != nullptr) prefetch((*chunks[i])->end_of(positions[i]));
  }
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (chunks[i] == nullptr) continue;
    out[i] = (*chunks[i])->at(positions[i]);
    held[i] = *chunks[i];
    prefetch(out[i], lines_ahead);
  }
}

std::size_t RecentEvents::find_some(std::uint64_t file, Position position, Direction direction,
                                    std::span<std::string_view> out, Held& held) const {
  const std::lock_guard lock(mutex_);
  const auto* chunk = place(file, position).before;
  if (chunk == nullptr || position >= (*chunk)->end()) return 0;
  held = *chunk;
  const auto forwards = direction == Direction::forwards;
  const auto there = forwards ? (*chunk)->end().value - position.value
                              : position.value - (*chunk)->first.value + 1;
  const auto count = std::min<std::size_t>(there, out.size());
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = (*chunk)->at(position);
    position = forwards ? position.next() : position.previous();
  }
  return count;
}

std::optional<Position> RecentEvents::nearest(std::uint64_t file, Position position,
                                              Direction direction) const {
  const std::lock_guard lock(mutex_);
  const auto [before, after] = place(file, position);
  if (before != nullptr && position < (*before)->end()) return position;
  if (direction == Direction::forwards) {
    return after == nullptr ? std::nullopt : std::optional((*after)->first);
  }
  return before == nullptr ? std::nullopt : std::optional((*before)->end().previous());
}

void RecentEvents::forget(std::uint64_t file) {
  const std::lock_guard lock(mutex_);
  std::erase_if(all_, [file](const auto& chunk) { return chunk->file == file; });
  of_file_.erase(file);
}

bool RecentEvents::has_room() const {
  const std::lock_guard lock(mutex_);
  return all_.size() < chunks_max_;
}

/// The caller holds the lock. May make references to of_file_'s entries invalid.
std::shared_ptr<RecentEvents::Chunk> RecentEvents::make_chunk() {
  if (all_.size() >= chunks_max_) drop_oldest();
  if (auto chunk = std::exchange(spare_, nullptr)) return chunk;
  if (slab_left_ == 0) {
    slab_left_ = std::min(slab_chunks, chunks_max_);
    slab_ = make_slab(slab_left_);
  }
  auto chunk = std::make_shared<Chunk>();
  chunk->bytes = {slab_, slab_.get() + --slab_left_ * chunk_bytes};
  if (slab_left_ == 0) slab_ = nullptr;
  return chunk;
}

/// Its memory is used again, unless somebody still reads from it: then it goes when they are done.
void RecentEvents::drop_oldest() {
  auto chunk = std::move(all_.front());
  all_.pop_front();
  const auto of_file = of_file_.find(chunk->file);
  of_file->second.pop_front();
  if (of_file->second.empty()) of_file_.erase(of_file);
  // The lock keeps others from taking hold of it now.
  if (chunk.use_count() > 1) return;
  // Whoever let go of it last has read its last byte before we write the next.
  std::atomic_thread_fence(std::memory_order_acquire);
  chunk->ends.clear();
  spare_ = std::move(chunk);
}

}  // namespace weir::sqlite
