#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

namespace weir::engine {

/// Keeps values that never change, up to a number of bytes. What was asked for since the hand last
/// passed it gets a second chance (CLOCK), so one pass over everything does not wash out what is
/// used all the time.
/// Not for values that can change: nothing in here grows old.
/// Threads: any. A value lives as long as somebody holds it.
template <class Key, class Value, class Hash = std::hash<Key>>
class Cache {
 public:
  using Held = std::shared_ptr<const Value>;

  /// None are kept when `bytes` is 0.
  explicit Cache(std::size_t bytes) : shard_bytes_max_(bytes / shards_count) {}

  /// Null when it is not there.
  Held find(const Key& key) {
    if (shard_bytes_max_ == 0) return nullptr;
    auto& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.entries.find(key);
    if (found == shard.entries.end()) return nullptr;
    found->second.used = true;
    return found->second.value;
  }

  /// Replaces what was there. `bytes` is what the value takes in all; one that takes more than a
  /// sixteenth of the whole is not kept.
  void put(const Key& key, Held value, std::size_t bytes) {
    bytes += entry_bytes;
    if (bytes > shard_bytes_max_) return;
    auto& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto [at, fresh] = shard.entries.try_emplace(key);
    auto& entry = at->second;
    shard.bytes += bytes - entry.bytes;
    entry.value = std::move(value);
    entry.bytes = bytes;
    if (fresh) shard.ring.push_back(key);
    while (shard.bytes > shard_bytes_max_) shard.evict();
  }

  std::size_t bytes_max() const { return shard_bytes_max_ * shards_count; }
  /// Bytes kept, as they were put in and with what the cache itself needs.
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      sum += shard.bytes;
    }
    return sum;
  }

 private:
  static constexpr std::size_t shards_count = 16;

  struct Entry {
    Held value;
    std::size_t bytes = 0;
    bool used = false;
  };
  /// An entry, its place in table and ring, and the value's control block.
  static constexpr std::size_t entry_bytes = 3 * sizeof(Key) / 2 + 2 * sizeof(Entry) + 16;

  struct alignas(64) Shard {
    mutable std::mutex mutex;
    boost::unordered_flat_map<Key, Entry, Hash> entries;
    std::vector<Key> ring;
    std::size_t bytes = 0;
    std::size_t hand = 0;

    void evict() {
      auto victim = entries.end();
      while (victim == entries.end()) {
        // All but the newest; there are others, or it would not be too much.
        if (hand + 1 >= ring.size()) hand = 0;
        const auto at = entries.find(ring[hand]);
        if (std::exchange(at->second.used, false)) {
          ++hand;
        } else {
          victim = at;
        }
      }
      bytes -= victim->second.bytes;
      entries.erase(victim);
      // The newest takes the place, and the hand goes on: it comes to the newest last.
      ring[hand++] = ring.back();
      ring.pop_back();
    }
  };

  Shard& shard_of(const Key& key) { return shards_[(Hash()(key) * 0x9E3779B97F4A7C15u) >> 60]; }

  const std::size_t shard_bytes_max_;
  std::array<Shard, shards_count> shards_;
};

}  // namespace weir::engine
