#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <weir/store/event.hpp>
#include <weir/store/requests.hpp>

namespace weir::sqlite {

/// The newest events of the files of a store as batches hold them, up to a number of bytes; past it
/// the oldest go, a chunk at a time, and their memory is used again. Putting one in costs the
/// writer a copy: no allocation, and no search. Threads: any; one at a time puts events of one
/// file. What was found lives as long as it is held.
class RecentEvents {
 public:
  using Held = std::shared_ptr<const void>;

  /// None are kept when `bytes` is less than a chunk's.
  explicit RecentEvents(std::size_t bytes) : chunks_max_(bytes / chunk_bytes) {}

  /// Positions of a file rise, gaps are fine; one that does not rise is of another log that took
  /// the file's place, so what was there before goes. One larger than a chunk is not kept.
  void put(std::uint64_t file, Position position, std::string_view message);
  /// Each position's event into `out`, and what it is valid with into `held`; empty when it is not
  /// there. At most find_max. They are looked for side by side: most of a search is waiting for
  /// memory, and so is most of looking at what it finds, which is on its way when this returns.
  void find(std::uint64_t file, std::span<const Position> positions,
            std::span<std::string_view> out, std::span<Held> held) const;
  /// The events at `position` and after it (backwards: before it) as far as they lie together, into
  /// `out` up to its size. Gives how many; valid as long as `held`.
  std::size_t find_some(std::uint64_t file, Position position, Direction direction,
                        std::span<std::string_view> out, Held& held) const;
  /// The first position from there on (backwards: the last up to there) that is kept.
  std::optional<Position> nearest(std::uint64_t file, Position position, Direction direction) const;
  /// Lets a file's events go.
  void forget(std::uint64_t file);
  /// Some of the memory has never been used.
  bool has_room() const;

  static constexpr std::size_t chunk_bytes = 256 << 10;
  static constexpr std::size_t find_max = 16;

 private:
  /// Events of one file without a gap. What lies in it never changes.
  struct Chunk {
    std::uint64_t file = 0;
    Position first;
    /// A part of a slab.
    std::shared_ptr<char[]> bytes;
    /// Where each event ends.
    std::vector<std::uint32_t> ends;

    std::size_t used() const { return ends.empty() ? 0 : ends.back(); }
    Position end() const { return Position(first.value + ends.size()); }
    const std::uint32_t* end_of(Position position) const {
      return &ends[position.value - first.value];
    }
    std::string_view at(Position position) const {
      const auto* end = end_of(position);
      const auto begin = position == first ? 0 : end[-1];
      return {bytes.get() + begin, *end - begin};
    }
  };
  /// The first position beside the pointer: a search then reads few lines of memory.
  struct Entry {
    Position first;
    std::shared_ptr<Chunk> chunk;
  };
  using Chunks = std::deque<Entry>;

  /// A file's last chunk that begins at a position or before it, and the first that begins after.
  struct Place {
    const std::shared_ptr<Chunk>* before = nullptr;
    const std::shared_ptr<Chunk>* after = nullptr;
  };
  static Place place(const Chunks& chunks, Position position);
  Place place(std::uint64_t file, Position position) const;
  std::shared_ptr<Chunk> make_chunk();
  void drop_oldest();

  const std::size_t chunks_max_;
  mutable std::mutex mutex_;
  /// Of all files, the oldest first.
  std::deque<std::shared_ptr<Chunk>> all_;
  /// Of each file, in the order of positions.
  boost::unordered_flat_map<std::uint64_t, Chunks> of_file_;
  std::shared_ptr<Chunk> spare_;
  /// The memory of the next chunks, and how many of them it is enough for.
  std::shared_ptr<char[]> slab_;
  std::size_t slab_left_ = 0;
};

}  // namespace weir::sqlite
