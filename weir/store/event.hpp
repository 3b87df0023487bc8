#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/base/uuid.hpp>
#include <weir/store/position.hpp>

namespace weir {

/// The media type of a payload that says nothing else. Kept as the empty string.
inline constexpr std::string_view default_content_type = "application/json";

struct MetadataEntry {
  std::string key;
  std::string value;

  bool operator==(const MetadataEntry&) const = default;
};

/// How far a foreign source has been taken in; strictly increasing per source.
struct Tracking {
  std::string source;
  std::uint64_t position = 0;

  bool operator==(const Tracking&) const = default;
};

/// An event to append. A value.
struct Event {
  /// Default: the store makes a version 7 UUID.
  std::optional<Uuid> id = std::nullopt;
  /// 1 to 1024 bytes of UTF-8.
  std::string type;
  /// At most 256, each 1 to 1024 bytes of UTF-8. The order is kept; it means nothing.
  std::vector<std::string> tags = {};
  /// The payload: at most 1 MiB, valid JSON when content_type says so.
  std::string data = {};
  /// Empty means application/json.
  std::string content_type = {};
  /// At most 64 entries with different keys; keys and values of at most 8192 bytes each.
  std::vector<MetadataEntry> metadata = {};
  /// When it happened, by the caller's clock; years 0001 to 9999. Default: when it is recorded.
  std::optional<Timestamp> occurred_at = std::nullopt;

  Event& tagged(std::string tag) & {
    tags.push_back(std::move(tag));
    return *this;
  }
  template <class... Tags>
  Event&& tagged(Tags&&... more) && {
    (tags.emplace_back(std::forward<Tags>(more)), ...);
    return std::move(*this);
  }
  /// The payload as a JSON text.
  Event&& json(std::string text) && {
    data = std::move(text);
    return std::move(*this);
  }
  /// The payload as a JSON object of strings: `.json({{"reader", "ada"}})`.
  Event&& json(std::initializer_list<std::pair<std::string_view, std::string_view>> members) &&;
  Event&& with(std::string key, std::string value) && {
    metadata.push_back({std::move(key), std::move(value)});
    return std::move(*this);
  }

  bool operator==(const Event&) const = default;
};

/// Starts an event: `weir::event("BookCopyLent").json({...}).tagged("book:dune")`.
inline Event event(std::string type) {
  return Event{.type = std::move(type)};
}

/// An event as the log has it, owning what it holds.
struct RecordedEvent {
  Position position;
  /// Absent only on events that came by the umadb.v1 protocol without one.
  std::optional<Uuid> id;
  std::string type;
  std::vector<std::string> tags;
  std::string data;
  /// Empty means application/json.
  std::string content_type;
  std::vector<MetadataEntry> metadata;
  Timestamp occurred_at;
  /// Never goes backwards from one position to the next.
  Timestamp recorded_at;
  std::optional<Tracking> tracking;

  bool operator==(const RecordedEvent&) const = default;
};

/// Whether a content type means JSON: empty, application/json, or a "+json" suffix, with or
/// without parameters.
bool is_json(std::string_view content_type);

}  // namespace weir
