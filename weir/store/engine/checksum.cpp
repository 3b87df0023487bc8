#include <bit>
#include <cstring>

#define XXH_STATIC_LINKING_ONLY  // for the size of XXH3_state_t
#include <xxhash.h>

#include <weir/store/engine/backend.hpp>

namespace weir::engine {
namespace {

/// Feeds fields to a streaming hash, each with its length, so that no two events feed the same.
class Hasher {
 public:
  Hasher() = default;

  void number(std::uint64_t value) {
    if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
    append(&value, sizeof value);
  }
  void text(std::string_view value) {
    number(value.size());
    append(value.data(), value.size());
  }
  void time(Timestamp value) {
    number(static_cast<std::uint64_t>(value.time_since_epoch().count()));
  }

  std::uint64_t digest() {
    if (!streaming_) return XXH3_64bits(buffer_, used_);
    flush();
    return XXH3_64bits_digest(&state_);
  }

 private:
  // Most events fit the buffer, and hashing it in one go is several times faster than a stream.
  void append(const void* data, std::size_t bytes) {
    if (used_ + bytes > sizeof buffer_) {
      flush();
      if (bytes > sizeof buffer_) {
        XXH3_64bits_update(&state_, data, bytes);
        return;
      }
    }
    if (bytes > 0) std::memcpy(buffer_ + used_, data, bytes);
    used_ += bytes;
  }
  void flush() {
    if (!streaming_) XXH3_64bits_reset(&state_);
    streaming_ = true;
    if (used_ > 0) XXH3_64bits_update(&state_, buffer_, used_);
    used_ = 0;
  }

  XXH3_state_t state_;
  char buffer_[1024];
  std::size_t used_ = 0;
  bool streaming_ = false;
};

template <class E, class Metadata>
void add_common(Hasher& hasher, const E& type, const auto& tags, const auto& data,
                std::string_view content_type, const Metadata& metadata) {
  hasher.text(type);
  hasher.number(tags.size());
  for (const auto& tag : tags) hasher.text(tag);
  hasher.text(data);
  hasher.text(content_type == default_content_type ? std::string_view() : content_type);
  hasher.number(metadata.size());
  for (const auto& [key, value] : metadata) {
    hasher.text(key);
    hasher.text(value);
  }
}

void add_id(Hasher& hasher, const std::optional<Uuid>& id) {
  hasher.text(id ? std::string_view(reinterpret_cast<const char*>(id->bytes.data()), 16)
                 : std::string_view());
}

void add_tracking(Hasher& hasher, const Tracking* tracking) {
  hasher.text(tracking != nullptr ? std::string_view(tracking->source) : std::string_view());
  hasher.number(tracking != nullptr ? tracking->position : 0);
}

}  // namespace

std::uint64_t checksum_of(const Event& event, Position position, Timestamp occurred_at,
                          const Tracking* tracking) {
  Hasher hasher;
  hasher.number(position.value);
  hasher.time(occurred_at);
  add_id(hasher, event.id);
  add_tracking(hasher, tracking);
  add_common(hasher, event.type, event.tags, event.data, event.content_type, event.metadata);
  return hasher.digest();
}

std::uint64_t checksum_of(const EventView& event) {
  Hasher hasher;
  hasher.number(event.position().value);
  hasher.time(event.occurred_at());
  add_id(hasher, event.id());
  const auto tracking = event.tracking();
  add_tracking(hasher, tracking ? &*tracking : nullptr);
  add_common(hasher, event.type(), event.tags(), event.data(), event.content_type(),
             event.metadata());
  return hasher.digest();
}

Mark mark_of(const EventView& event) {
  return {.position = event.position(),
          .checksum = checksum_of(event),
          .recorded_at = event.recorded_at()};
}

Fingerprint fingerprint_of(std::span<const Event> events) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (const auto& event : events) {
    Hasher hasher;
    add_id(hasher, event.id);
    hasher.number(event.occurred_at ? 1 : 0);
    hasher.time(event.occurred_at.value_or(Timestamp()));
    add_common(hasher, event.type, event.tags, event.data, event.content_type, event.metadata);
    // Two digests of each event: 64 bits alone would be too few to call two appends the same.
    const std::uint64_t first = hasher.digest();
    hasher.number(first);
    const std::uint64_t pair[2] = {first, hasher.digest()};
    XXH3_128bits_update(&state, pair, sizeof pair);
  }
  const auto hash = XXH3_128bits_digest(&state);
  return {hash.high64, hash.low64};
}

}  // namespace weir::engine
