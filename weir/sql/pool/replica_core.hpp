#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>

namespace weir::sql {

struct ReplicaOptions {
  /// Read from replicas where that is right. Default true; it needs more hosts than one.
  bool read = true;
  /// One that is further behind the primary is left out. Range 1 ms to 1 h. Default 1 s.
  std::chrono::milliseconds lag_max{1'000};
  /// How often each host is asked how far it is, and one that was left out is tried again. Range
  /// 10 ms to 1 min, at most half of lag_max. Default 250 ms.
  std::chrono::milliseconds measure_every{250};
};

/// Errors: invalid_argument, with the field and its range.
Result<void> check(const ReplicaOptions& options);

/// How far a server has written, or replayed, its log. Bytes; only grows, but for a fail-over.
struct LogPosition {
  std::uint64_t bytes = 0;
  /// Grows with each fail-over. A replica on another timeline than the primary's has another past.
  std::uint32_t timeline = 0;

  bool operator==(const LogPosition&) const = default;
};

enum class ReplicaStanding : std::uint8_t {
  unknown,   ///< not heard of yet, or there is no primary to compare it with
  in,        ///< may be read from
  primary,   ///< it is the primary
  down,      ///< can't be reached
  detached,  ///< does not follow the primary
  behind,    ///< further than lag_max
};
const char* name_of(ReplicaStanding standing);

/// For health and metrics.
struct ReplicaState {
  ReplicaStanding standing = ReplicaStanding::unknown;
  /// For a person: why it is not in. Empty when it is.
  std::string why = {};
  /// Of a replica: at most so far behind the primary, when it was last asked.
  std::optional<std::chrono::milliseconds> lag = std::nullopt;
  std::optional<std::uint64_t> lag_bytes = std::nullopt;
  /// In this standing since then.
  Instant since{};
};

/// Decides which replicas may be read from. Their lag is measured against positions that the
/// primary was seen at, not against the age of the last transaction, so that it is right when
/// nothing is written, and when a replica has lost its primary without noticing.
/// Threads: one at a time.
class ReplicaCore {
 public:
  /// `options` must have passed check().
  ReplicaCore(ReplicaOptions options, std::size_t hosts) : options_(options), hosts_(hosts) {}

  // What a host answered when it was asked.
  void is_primary(std::size_t host, LogPosition at, Instant now);
  /// `hindrance`: why it is not known to receive what the primary writes; empty when it does.
  void is_replica(std::size_t host, LogPosition at, std::string_view hindrance, Instant now);
  void is_down(std::size_t host, std::string why, Instant now);

  /// The next one that may be read from, in turn. None while a primary is known on a later
  /// `timeline` than that of the primary that they were measured against.
  std::optional<std::size_t> choose(std::uint32_t timeline);
  const ReplicaState& state(std::size_t host) const { return hosts_[host]; }

 private:
  struct Sample {
    std::uint64_t bytes;
    Instant at;
  };
  void begin_timeline(std::uint32_t timeline, Instant now);
  void stand(std::size_t host, ReplicaStanding standing, std::string why, Instant now);
  Instant::duration lag_of(std::uint64_t replayed, Instant now) const;

  const ReplicaOptions options_;
  std::vector<ReplicaState> hosts_;
  /// Where the primary was when; the oldest first.
  std::deque<Sample> samples_;
  std::optional<std::uint32_t> timeline_;
  std::size_t next_ = 0;
};

}  // namespace weir::sql
