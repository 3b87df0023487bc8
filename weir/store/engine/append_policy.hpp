#pragma once

#include <optional>

#include <weir/base/error.hpp>
#include <weir/base/time.hpp>

namespace weir::engine {

/// The detail that says of a failed commit that nothing of it was recorded: {"recorded", "no"}. A
/// failed commit without it may have been recorded.
inline constexpr const char* recorded_detail = "recorded";

/// The same error, of a commit that left no trace.
Error nothing_recorded(Error error);
bool is_nothing_recorded(const Error& error);

/// Decides what becomes of a log's appends while its database fails. Appends are only ever tried
/// again when nothing of them was recorded. store/resilient has one.
/// Threads: any.
class AppendPolicy {
 public:
  virtual ~AppendPolicy() = default;

  /// An append that a failed transaction has left without a trace.
  struct Failed {
    /// Transactions that were tried for it, from 1.
    int attempts = 1;
    /// When its caller asked.
    Instant asked_at;
    std::optional<Instant> deadline = std::nullopt;
  };

  /// Why an append that begins now is refused without being tried; nothing when it is not. Asked
  /// for each append, so it must be quick.
  virtual std::optional<Error> refuses() = 0;

  /// How long until another try; nothing: the append fails. `chance`, from 0 up to 1, is the same
  /// for all appends of one transaction, so that they are tried again together.
  virtual std::optional<Instant::duration> again(const Failed& append, const Error& error,
                                                 Instant now, double chance) = 0;
  virtual double chance() = 0;

  /// The error as its callers are told, when no more is tried.
  virtual Error given_up(Error error) = 0;
};

}  // namespace weir::engine
