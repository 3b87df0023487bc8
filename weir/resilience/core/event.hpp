#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/resilience/core/duration.hpp>

namespace weir::resilience {

enum class EventKind : std::uint8_t {
  retried,      // the call will be made again after `duration`
  opened,       // a circuit opened, for `duration` (zero: until told otherwise)
  half_opened,  // a circuit lets probes through
  closed,       // a circuit closed
  rejected,     // a strategy did not let the call through
  timed_out,    // a call took longer than `duration`
  hedged,       // another attempt was started beside those that run
  fell_back,    // a fallback took the place of the outcome
  injected,     // chaos meddled
  reloaded,     // the pipeline has other options
  attempted,    // an attempt ended; only for who wants calls
  finished,     // the whole call ended, after `duration`; only for who wants calls
};

/// "half_opened": for logs and metrics' labels.
std::string_view name_of(EventKind kind);

/// Something that a pipeline did. Valid during the call of the listener.
struct Event {
  EventKind kind;
  std::string_view pipeline;
  /// The strategy's name; empty for reloaded, attempted and finished.
  std::string_view strategy;
  /// As the caller named it.
  std::string_view operation;
  /// From 1.
  int attempt = 1;
  Duration duration{};
  /// What went wrong, or null.
  const Error* error = nullptr;
  /// Whether the attempt or the call ended in a value.
  bool ok = false;
  /// Of opened, half_opened and closed: rises with every change of that circuit. Changes close
  /// to one another may be told out of order, from several threads; the highest is the latest.
  std::uint64_t sequence = 0;
};

/// Hears of events. Without one a pipeline does nothing for them.
/// Threads: called from any that runs a call, several at once; must be brief, and not throw.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_event(const Event& event) noexcept = 0;
  /// Whether it also hears of each attempt and each call, for which the clock is read once more.
  /// Asked once, when a pipeline is built.
  virtual bool wants_calls() const { return false; }
};

}  // namespace weir::resilience
