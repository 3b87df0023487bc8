#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <weir/base/result.hpp>

namespace weir::sql {

/// When a connection that comes back is made as if new (DISCARD ALL) before it is lent again.
enum class ResetOnReturn : std::uint8_t {
  never,
  when_changed,  ///< after statements that leave something behind: see postgres::Session::changed()
  always,
};

/// By what a connection's socket finds out that its server has vanished without a word: a host that
/// lost its power, a network that swallows. Not that a process hangs on a host that is well.
struct TcpOptions {
  /// What was sent and is not acknowledged by the other host for so long breaks the connection; so
  /// do keepalives. Range 0 (the system's own limit, some 15 min), 100 ms to 1 h. Default 10 s.
  std::chrono::milliseconds user_timeout{10'000};
  /// A silent connection is asked for a sign of life after so long; rounded up to whole seconds, as
  /// is the next. Range 1 s to 2 h. Default 10 s.
  std::chrono::milliseconds keepalive_idle{10'000};
  /// And then this often. Range 1 s to 10 min. Default 3 s.
  std::chrono::milliseconds keepalive_interval{3'000};
  /// After so many without an answer it is broken, if not before by user_timeout. Range 1 to 100.
  /// Default 3.
  int keepalive_count = 3;
};

/// Where a duration may be zero, zero switches off what it governs.
struct PoolOptions {
  /// Named in errors. Default "default".
  std::string name = "default";
  /// Connections kept even when nobody uses them. Range 0 to size_max. Default 0.
  std::size_t size_min = 0;
  /// Connections at most. Range 1 to 1000. Default 8.
  std::size_t size_max = 8;
  /// Callers that may wait for one. Range 0 to 100,000. Default 1024.
  std::size_t waiting_max = 1024;
  /// How long a caller without a deadline waits. Range 1 ms to 10 min. Default 5 s.
  std::chrono::milliseconds connection_timeout{5'000};
  /// How long a round trip may take; then the statement is cancelled on the server, and the
  /// connection stays. Range 0, 1 ms to 1 day. Default 30 s.
  std::chrono::milliseconds command_timeout{30'000};
  /// A connection is closed at this age, once it is returned. Range 0, 1 s to 7 days. Default 1 h.
  std::chrono::milliseconds connection_lifetime{3'600'000};
  /// Share by which lifetimes are shortened at random, so that they do not all end at once.
  /// Range 0 to 0.9. Default 0.25.
  double lifetime_jitter = 0.25;
  /// A connection unused for so long is closed, down to size_min. Range 0, 1 s to 7 days.
  /// Default 5 min.
  std::chrono::milliseconds idle_lifetime{300'000};
  /// One unused for longer is tried, by a round trip, before it is lent; of one used just now only
  /// the socket is looked at. Range 0, 1 ms to 1 day. Default 1 s.
  std::chrono::milliseconds validate_after{1'000};
  /// One unused for so long is tried in the background. Range 0, 1 s to 1 day. Default 2 min.
  std::chrono::milliseconds keepalive{120'000};
  /// One lent for longer is reported, once. Range 0, 1 ms to 1 day. Default 0.
  std::chrono::milliseconds leak_detection_threshold{0};
  /// Statements kept prepared on a connection; 0: none. Range 0 to 1000. Default 10.
  std::size_t auto_prepare_max = 10;
  /// A statement is prepared when it is used for the so-manieth time. Range 1 to 1000. Default 2.
  std::size_t auto_prepare_after = 2;
  /// One that comes back within a transaction is closed whatever this says. Default: never, since
  /// Weir's own statements change nothing in a session, and a reset costs two round trips and all
  /// prepared statements.
  ResetOnReturn reset_on_return = ResetOnReturn::never;
  /// Let what the server can take decide how many connections are in use at once, from size_min
  /// (at least 1) to size_max: see resilience::AdaptiveLimit. It begins with half of size_max;
  /// slowness alone brings it down to some eight, failures further. Default false.
  bool automatic_size = false;
  /// Of every connection to the database, what its URI says of it excepted.
  TcpOptions tcp = {};
};

/// Errors: invalid_argument, with the field and its range.
Result<void> check(const PoolOptions& options);

}  // namespace weir::sql
