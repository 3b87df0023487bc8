#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/base/time.hpp>
#include <weir/telemetry/api/tracer.hpp>

namespace weir {

/// Told what embedded logs do, for whoever measures them. Nothing is measured when nobody is told.
/// Must outlive the stores that tell it.
/// Threads: any; called on the threads that do the work, so it must not block.
class StoreObserver {
 public:
  /// A group of appends that was judged together and, unless all were refused, committed.
  struct Commit {
    std::string_view log;
    Instant began;
    std::chrono::nanoseconds took{};
    /// What is on disk now and was not before.
    std::size_t appends = 0;
    std::size_t events = 0;
    /// Of each append that was not recorded, why. A failed commit is the reason of each in it.
    std::span<const Code> refused = {};
    /// The commit itself failed.
    std::optional<Code> error = std::nullopt;
    /// Of the appends whose traces are being recorded.
    std::span<const telemetry::Context> traced = {};
    /// What begin() gave for them, to be added to; null when nothing was traced.
    telemetry::Span* span = nullptr;
  };
  /// One step of a read.
  struct Read {
    std::string_view log;
    Instant began;
    std::chrono::nanoseconds took{};
    std::size_t events = 0;
    std::optional<Code> error = std::nullopt;
    const telemetry::Context& context;
    /// What begin() gave for it, to be added to; null when it was not traced.
    telemetry::Span* span = nullptr;
  };

  virtual ~StoreObserver() = default;
  /// Begins the span of an operation ("append", "read", "head" ...), under which the engine reports
  /// what it does for it. `requests`: those whose traces are recorded, at least one; the first is
  /// its parent. It ends when the operation does.
  virtual telemetry::Span begin(std::string_view operation, std::string_view log,
                                std::span<const telemetry::Context> requests, Instant began) = 0;
  virtual void committed(const Commit& commit) = 0;
  /// An append that did not come as far as a group.
  virtual void refused(std::string_view log, Code code) = 0;
  virtual void read(const Read& read) = 0;
};

/// How an embedded log stands at the moment.
struct LogGauges {
  /// Appends that wait for a commit.
  std::size_t queue_depth = 0;
  /// How many may.
  std::size_t queue_max = 0;
  /// The last event that this process knows of.
  std::uint64_t head = 0;
  /// Newest events that the index in memory covers.
  std::uint64_t tail_events = 0;
  std::size_t subscribers = 0;
  /// Events that the slowest live subscription has not been given. Absent: there is none.
  std::optional<std::uint64_t> subscription_lag = std::nullopt;
};

}  // namespace weir
