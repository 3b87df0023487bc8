#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <weir/base/result.hpp>
#include <weir/resilience/core/context.hpp>
#include <weir/resilience/core/outcome.hpp>
#include <weir/resilience/core/stripes.hpp>

namespace weir::resilience {

struct LoadSheddingOptions {
  /// For events, descriptions and reloads. Default "load_shedding".
  std::string name = "load_shedding";
  /// Calls under way at which even those of high priority are shed. Range 1 to 1,000,000.
  /// Default: this does not shed.
  std::optional<int> in_flight_max = {};
  /// The share of in_flight_max at which calls of low and of normal priority are shed.
  /// Range (0, 1]. Default 0.6 and 0.9.
  double share_low = 0.6;
  double share_normal = 0.9;
  /// Sheds by chance when the callee refuses: requests - K * accepts over requests + 1, from
  /// "Handling Overload" in Site Reliability Engineering (Google, 2016). A larger K lets more
  /// through; K is doubled for high priority, and halfway to 1 for low. Range 1.1 to 100.
  /// Default: this does not shed.
  std::optional<double> accept_multiplier = {};
  /// What requests and accepts are counted over. Range 1 s to 1 h. Default 2 min.
  Duration window = std::chrono::minutes(2);
  /// What counts as refused by the callee. Default: resource_exhausted and unavailable.
  Handled handled = {};
};

Result<void> check(const LoadSheddingOptions& options);

/// What the callee's refusals are told by unless told otherwise.
bool refused(const Error& error);

/// Turns calls away before they cost anything, the least important first.
/// Threads: any. Without accept_multiplier it takes no lock and needs no time.
class LoadShedder {
 public:
  static Result<std::unique_ptr<LoadShedder>> create(const LoadSheddingOptions& options);
  /// Takes other options; what is under way and what was counted stays.
  Result<void> reconfigure(const LoadSheddingOptions& options);

  bool needs_time() const { return multiplier_.load(std::memory_order_relaxed) > 0; }
  /// Whether the call may go on; then leave() must follow. Without needs_time() `now` and
  /// `chance` are ignored.
  bool try_enter(Priority priority, Instant now, double chance);
  /// The end of a call; `accepted` unless the callee refused it.
  void leave(bool accepted, Instant now);

  int in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  /// The share of calls of a priority that are shed because the callee refuses.
  double shed_share(Priority priority, Instant now);

 private:
  static constexpr std::size_t slots_count = 10;
  struct Counts {
    double requests = 0;
    double accepts = 0;
  };

  explicit LoadShedder(const LoadSheddingOptions& options);
  void apply(const LoadSheddingOptions& options);
  Counts& roll(Instant now);
  double probability(Priority priority) const;

  alignas(cache_line_bytes) std::atomic<int> in_flight_{0};
  std::array<std::atomic<int>, 3> in_flight_max_{};  // by priority
  std::atomic<double> multiplier_{0};                // 0: none
  std::mutex mutex_;                                 // guards the rest
  Duration slot_length_{};
  std::array<Counts, slots_count> slots_{};
  std::int64_t slot_ = 0;
};

}  // namespace weir::resilience
