#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/result.hpp>

namespace weir {

struct BufferOptions {
  /// Bytes that are kept to be used again. Range 0 (nothing is kept) to 1 GiB. Default 32 MiB.
  std::size_t bytes_max = 32 << 20;
  /// A larger buffer is freed after its use. Range 4 KiB to 64 MiB. Default 8 MiB.
  std::size_t buffer_bytes_max = 8 << 20;
  /// Overwrite what a buffer held as soon as it is given back, so that payloads do not linger in
  /// the process's memory. Default false.
  bool clear = false;
};

/// Errors: invalid_argument, with the field and its range.
Result<void> check(const BufferOptions& options);

/// Memory for messages that is used again: a large message would else be allocated, grown by
/// copying and freed each time, and the allocator give its pages back to the system in between. Not
/// for anything smaller than 4 KiB, which allocators are good at: that is allocated as ever.
/// Threads: any.
class Buffers {
 public:
  static constexpr std::size_t smallest = 4 << 10;

  struct Counts {
    std::uint64_t taken = 0;
    /// Of those, how many had been used before.
    std::uint64_t reused = 0;
    std::size_t kept_bytes = 0;
  };

  Buffers() = default;
  explicit Buffers(BufferOptions options) { configure(options); }
  /// The process's.
  static Buffers& shared();

  /// `options` must have passed check(). What is kept and no longer should be is freed.
  void configure(BufferOptions options);

  /// An empty string with room for so many bytes.
  std::string take(std::size_t bytes);
  /// Gives its memory back. Small ones are freed.
  void give(std::string&& buffer);
  /// Makes room for so many bytes in all, and for more to come.
  void grow(std::string& buffer, std::size_t bytes);

  Counts counts() const;

 private:
  static constexpr std::size_t classes_count = 15;  // 4 KiB to 64 MiB, by powers of two
  static std::size_t class_of(std::size_t capacity);

  struct alignas(64) Class {
    std::mutex mutex;
    std::vector<std::string> buffers;
  };
  std::atomic<std::size_t> bytes_max_ = BufferOptions().bytes_max;
  std::atomic<std::size_t> buffer_bytes_max_ = BufferOptions().buffer_bytes_max;
  std::atomic<bool> clear_ = false;
  std::atomic<std::size_t> kept_bytes_ = 0;
  std::atomic<std::uint64_t> taken_ = 0;
  std::atomic<std::uint64_t> reused_ = 0;
  std::array<Class, classes_count> classes_;
};

/// Bytes whose memory goes back to Buffers::shared().
struct PooledString {
  std::string bytes;

  PooledString() = default;
  PooledString(std::string other) : bytes(std::move(other)) {}
  PooledString(const PooledString&) = default;
  PooledString(PooledString&& other) noexcept : bytes(std::move(other.bytes)) {}
  PooledString& operator=(const PooledString&) = default;
  PooledString& operator=(PooledString&& other) noexcept {
    std::swap(bytes, other.bytes);
    return *this;
  }
  ~PooledString() {
    if (bytes.capacity() >= Buffers::smallest) Buffers::shared().give(std::move(bytes));
  }
};

}  // namespace weir
