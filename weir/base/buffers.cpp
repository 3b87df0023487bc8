#include <weir/base/buffers.hpp>

#include <cstring>

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include <weir/base/error.hpp>

namespace weir {
namespace {

constexpr std::size_t bytes_highest = std::size_t{1} << 30;
constexpr std::size_t buffer_bytes_highest = 64 << 20;

}  // namespace

Result<void> check(const BufferOptions& options) {
  if (options.bytes_max > bytes_highest) {
    return invalid_field(
        "bytes_max", fmt::format("is {}, more than {} bytes", options.bytes_max, bytes_highest));
  }
  if (options.buffer_bytes_max < Buffers::smallest ||
      options.buffer_bytes_max > buffer_bytes_highest) {
    return invalid_field("buffer_bytes_max",
                         fmt::format("is {}, not {} to {} bytes", options.buffer_bytes_max,
                                     Buffers::smallest, buffer_bytes_highest));
  }
  return {};
}

Buffers& Buffers::shared() {
  // Never destroyed: buffers come back as long as threads run.
  static auto* const buffers = new Buffers;
  return *buffers;
}

/// Those of a class hold at least its size.
std::size_t Buffers::class_of(std::size_t capacity) {
  const auto at = static_cast<std::size_t>(std::bit_width(capacity / smallest)) - 1;
  return std::min(at, classes_count - 1);
}

void Buffers::configure(BufferOptions options) {
  bytes_max_ = options.bytes_max;
  buffer_bytes_max_ = options.buffer_bytes_max;
  clear_ = options.clear;
  for (auto& kept : classes_) {
    const std::lock_guard lock(kept.mutex);
    for (const auto& buffer : kept.buffers) kept_bytes_ -= buffer.capacity();
    kept.buffers.clear();
  }
}

std::string Buffers::take(std::size_t bytes) {
  std::string buffer;
  if (bytes < smallest || bytes_max_.load(std::memory_order_relaxed) == 0) {
    buffer.reserve(bytes);
    return buffer;
  }
  taken_.fetch_add(1, std::memory_order_relaxed);
  const auto wanted = std::bit_ceil(bytes);
  const auto smallest_class = class_of(wanted);
  // One up to four times as large will do as well.
  for (auto at = smallest_class; at < std::min(smallest_class + 3, classes_count); ++at) {
    auto& kept = classes_[at];
    const std::lock_guard lock(kept.mutex);
    if (kept.buffers.empty() || kept.buffers.back().capacity() < bytes) continue;
    buffer = std::move(kept.buffers.back());
    kept.buffers.pop_back();
    kept_bytes_.fetch_sub(buffer.capacity(), std::memory_order_relaxed);
    reused_.fetch_add(1, std::memory_order_relaxed);
    return buffer;
  }
  buffer.reserve(wanted);
  return buffer;
}

void Buffers::give(std::string&& buffer) {
  const auto capacity = buffer.capacity();
  if (capacity < smallest) return;
  auto given = std::move(buffer);
  // The compiler may not leave this out, though nobody reads it.
  if (clear_.load(std::memory_order_relaxed)) explicit_bzero(given.data(), given.capacity());
  given.clear();
  if (capacity > buffer_bytes_max_.load(std::memory_order_relaxed)) return;
  if (kept_bytes_.fetch_add(capacity, std::memory_order_relaxed) + capacity >
      bytes_max_.load(std::memory_order_relaxed)) {
    kept_bytes_.fetch_sub(capacity, std::memory_order_relaxed);
    return;
  }
  auto& kept = classes_[class_of(capacity)];
  const std::lock_guard lock(kept.mutex);
  kept.buffers.push_back(std::move(given));
}

void Buffers::grow(std::string& buffer, std::size_t bytes) {
  if (bytes <= buffer.capacity()) return;
  auto larger = take(std::max(bytes, 2 * buffer.capacity()));
  larger.append(buffer);
  std::swap(buffer, larger);
  give(std::move(larger));
}

Buffers::Counts Buffers::counts() const {
  return {.taken = taken_.load(std::memory_order_relaxed),
          .reused = reused_.load(std::memory_order_relaxed),
          .kept_bytes = kept_bytes_.load(std::memory_order_relaxed)};
}

}  // namespace weir
