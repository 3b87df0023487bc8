#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/store/event.hpp>
#include <weir/store/query.hpp>

namespace weir {

/// How much a caller may ask for at once. Each is checked before anything is done; past one, the
/// answer is invalid_argument naming the field and the limit. What each may be set to is in
/// limit_ranges().
struct Limits {
  /// Bytes of a type. Default 1 to 1024.
  std::size_t type_bytes_min = 1;
  std::size_t type_bytes_max = 1024;
  /// Bytes of a tag. Default 1 to 1024.
  std::size_t tag_bytes_min = 1;
  std::size_t tag_bytes_max = 1024;
  /// Tags of an event. Default 256.
  std::size_t tags_max = 256;
  /// Bytes of an event's payload. Default 1 MiB.
  std::size_t data_bytes_max = 1 << 20;
  /// Bytes of a content type. Default 255.
  std::size_t content_type_bytes_max = 255;
  /// Metadata entries of an event, and bytes of one key or value. Default 64 and 8192.
  std::size_t metadata_entries_max = 64;
  std::size_t metadata_bytes_max = 8192;
  /// Events of an append. Default 1 to 10,000.
  std::size_t events_min = 1;
  std::size_t events_max = 10'000;
  /// Bytes of all of an append's events together. Default 4 MiB.
  std::size_t append_bytes_max = 4 << 20;
  /// Items of a query; types, tags and predicates of an item; bytes of a predicate's key or value.
  /// Default 256 items, 256 of each, 1024 bytes.
  std::size_t query_items_max = 256;
  std::size_t query_terms_max = 256;
  std::size_t predicate_bytes_max = 1024;
  /// Bytes of an idempotency key, a tracking source, a snapshot's projection or query hash.
  std::size_t key_bytes_max = 255;
  /// Bytes of a snapshot. Default 16 MiB.
  std::size_t snapshot_bytes_max = 16 << 20;

  bool operator==(const Limits&) const = default;
};

/// One of the limits that a server's operator may set.
struct LimitRange {
  /// As the field is named.
  std::string_view name;
  std::size_t Limits::*field = nullptr;
  std::size_t min = 0;
  std::size_t max = 0;
  /// What it limits, for a command's help.
  std::string_view what;
};

std::span<const LimitRange> limit_ranges();

/// Checks limits against limit_ranges(), and that an append can hold one event of the largest size.
/// Errors: invalid_argument naming the limit and its range.
Result<void> check(const Limits& limits);

/// The highest of all ranges: what no server takes, a client need not send.
const Limits& highest_limits();

/// What the umadb.v1 protocol allows: any type and tag up to 65,535 bytes, and appends of nothing.
const Limits& umadb_limits();

/// The bytes that an event counts for in append_bytes_max.
std::size_t size_of(const Event& event);

/// Checks one event. `field` is its name in messages ("events[3]").
Result<void> check(const Event& event, const Limits& limits, std::string_view field);
Result<void> check(const Query& query, const Limits& limits, std::string_view field);

/// A log's name: 1 to 63 of a-z, 0-9, "-" and "_", beginning with a letter or a digit.
/// `field` is what the request calls it.
Result<void> check_log_name(std::string_view name, std::string_view field = "log");

/// A name in a request: 1 to key_bytes_max bytes of UTF-8.
Result<void> check_key(std::string_view key, const Limits& limits, std::string_view field);

}  // namespace weir
