#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace weir::engine {

/// Keeps values that never change, up to a number of bytes. What was asked for since the hand last
/// passed it gets a second chance (CLOCK), so one pass over everything does not wash out what is
/// used all the time.
/// Not for values that can change: nothing in here grows old but by forget().
/// Threads: any. A value lives as long as somebody holds it.
template <class Key, class Value, class Hash = std::hash<Key>>
class Cache {
 public:
  using Held = std::shared_ptr<const Value>;

  /// None are kept when `bytes_max` is 0.
  explicit Cache(std::size_t bytes_max) : shard_bytes_max_(bytes_max / shards_count) {}

  /// Null when it is not there.
  Held find(const Key& key) {
    if (shard_bytes_max_ == 0) return nullptr;
    auto& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.index.find(key);
    if (found == shard.index.end()) return nullptr;
    auto& entry = shard.entries[found->second];
    entry.used = true;
    return entry.value;
  }

  /// Replaces what was there. `bytes` is what the value takes in all; one that takes more than a
  /// sixteenth of the whole is not kept.
  void put(const Key& key, Held value, std::size_t bytes) {
    bytes += entry_bytes;
    if (bytes > shard_bytes_max_) return;
    auto& shard = shard_of(key);
    const std::lock_guard lock(shard.mutex);
    const auto [at, fresh] = shard.index.try_emplace(key, shard.entries.size());
    if (!fresh) {
      auto& entry = shard.entries[at->second];
      shard.bytes += bytes - entry.bytes;
      entry.value = std::move(value);
      entry.bytes = bytes;
    } else {
      shard.entries.push_back({key, std::move(value), bytes, false});
      shard.bytes += bytes;
    }
    while (shard.bytes > shard_bytes_max_) shard.evict();
  }

  /// Lets everything go.
  void forget() {
    for (auto& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      shard.index.clear();
      shard.entries.clear();
      shard.bytes = shard.hand = 0;
    }
  }

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
    Key key;
    Held value;
    std::size_t bytes;
    bool used;
  };
  /// An entry, its node in the index, and the value's control block.
  static constexpr std::size_t entry_bytes = sizeof(Entry) + sizeof(Key) + 64;

  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<Key, std::size_t, Hash> index;
    std::vector<Entry> entries;
    std::size_t bytes = 0;
    std::size_t hand = 0;

    void evict() {
      while (true) {
        if (hand >= entries.size()) hand = 0;
        auto& entry = entries[hand];
        if (!entry.used) break;
        entry.used = false;
        ++hand;
      }
      bytes -= entries[hand].bytes;
      index.erase(entries[hand].key);
      if (hand + 1 != entries.size()) {
        entries[hand] = std::move(entries.back());
        index[entries[hand].key] = hand;
      }
      entries.pop_back();
    }
  };

  Shard& shard_of(const Key& key) {
    // The index uses the low bits of the hash.
    return shards_[(Hash()(key) * 0x9E3779B97F4A7C15u) >> 60];
  }

  const std::size_t shard_bytes_max_;
  std::array<Shard, shards_count> shards_;
};

}  // namespace weir::engine
