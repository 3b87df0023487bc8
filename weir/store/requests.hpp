#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/store/event.hpp>
#include <weir/store/limits.hpp>
#include <weir/store/query.hpp>
#include <weir/telemetry/api/context.hpp>

namespace weir {

/// How long a caller waits and how it gives up. Every operation takes one.
struct CallOptions {
  /// Past it the call answers deadline_exceeded. Default: none.
  std::optional<Instant> deadline = std::nullopt;
  /// Ends the call with `cancelled`. An append whose commit has begun is not undone.
  std::stop_token stop = {};
  /// Whose work it is: its trace, and its correlation and causation ids. Default: nobody's.
  telemetry::Context context = {};
  /// Instead of the store's own: what snapshots, and names of projections and sources, are held to.
  /// Other requests have a field for it. Must outlive the call.
  const Limits* limits = nullptr;
};

/// The append fails with `aborted` if an event past `after` matches the query.
struct Condition {
  /// No items: any event matches.
  Query fail_if_events_match = {};
  /// Absent: from the start. May lie past the last match, and past the head.
  std::optional<Position> after = std::nullopt;

  bool operator==(const Condition&) const = default;
};

struct AppendRequest {
  std::vector<Event> events;
  std::optional<Condition> condition = std::nullopt;
  /// Up to 255 bytes; empty: none. The same key with the same events gives the first answer.
  std::string idempotency_key = {};
  std::optional<Tracking> tracking = std::nullopt;
  CallOptions call = {};
  /// Instead of the store's own; for protocols with other rules. Must outlive the program.
  const Limits* limits = nullptr;
  /// Give events without an id one (version 7). Only the umadb.v1 protocol turns it off.
  bool make_ids = true;
  /// Metadata that every event gets unless it has the key: correlation-id and the like. No part of
  /// what an idempotency key stands for, since a repeated call belongs to another trace.
  std::vector<MetadataEntry> stamp = {};
};

struct Appended {
  Position first;
  Position last;
  Timestamp recorded_at;
  /// The answer of an earlier append with the same idempotency key.
  bool replayed = false;

  bool operator==(const Appended&) const = default;
};

enum class Direction : std::uint8_t { forwards, backwards };

/// Range of occurred_at, both ends included.
struct TimeRange {
  std::optional<Timestamp> from = std::nullopt;
  std::optional<Timestamp> until = std::nullopt;

  bool operator==(const TimeRange&) const = default;
};

/// What to read: the events in (after, until] that match, in the direction given.
struct ReadRequest {
  Query query = {};
  Position after = Position();
  /// Absent: the head of the moment. Past the head: the head.
  std::optional<Position> until = std::nullopt;
  Direction direction = Direction::forwards;
  /// At most so many events. Absent: all. 0: none.
  std::optional<std::uint64_t> limit = std::nullopt;
  TimeRange occurred = {};
  /// At most so many events a batch, 1 to 10,000. Default 1000.
  std::size_t batch_events_max = 1000;
  /// A batch ends with the event that reaches it. 1 KiB to 8 MiB. Default 1 MiB.
  std::size_t batch_bytes_max = 1 << 20;
  CallOptions call = {};
  /// As for an append.
  const Limits* limits = nullptr;
  /// An asynchronous read of little that is in memory may be answered by the calling thread, where
  /// callbacks never block. Default: so it is; not for one of many, which are shared out better.
  bool may_answer_here = true;
};

struct SubscribeRequest {
  Query query = {};
  /// Absent: from the start.
  std::optional<Position> after = std::nullopt;
  std::size_t batch_events_max = 1000;
  std::size_t batch_bytes_max = 1 << 20;
  CallOptions call = {};
  /// As for an append.
  const Limits* limits = nullptr;
};

struct SnapshotKey {
  std::string projection;
  std::string query_hash;

  auto operator<=>(const SnapshotKey&) const = default;
};

struct Snapshot {
  SnapshotKey key;
  Position position;
  std::string data;
  Timestamp saved_at;

  bool operator==(const Snapshot&) const = default;
};

struct LogOptions {
  /// Top-level payload keys whose string values are indexed for `where`, in any order. At most 16.
  std::vector<std::string> indexed_keys = {};

  bool operator==(const LogOptions& other) const {
    return std::is_permutation(indexed_keys.begin(), indexed_keys.end(), other.indexed_keys.begin(),
                               other.indexed_keys.end());
  }
};

struct LogInfo {
  std::string name;
  Position head;
  LogOptions options;
  Timestamp created_at;
  /// What it takes in, as far as is known: of a log on a server, when it was opened.
  Limits limits = {};
};

/// Checks a whole append: events, condition, key, tracking. A duplicate metadata key, tag text
/// that is not UTF-8 and invalid JSON are errors too, the last but for `unread` payloads.
enum class Payloads : std::uint8_t { read, unread };
Result<void> check(const AppendRequest& request, const Limits& limits,
                   Payloads payloads = Payloads::read);
Result<void> check(const ReadRequest& request, const Limits& limits);

/// At most 16 indexed keys, each fit for check_key() and there once.
Result<void> check(const LogOptions& options);

}  // namespace weir
