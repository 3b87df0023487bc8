#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include <weir/base/result.hpp>
#include <weir/resilience/adaptive_limit/limits.hpp>
#include <weir/resilience/core/outcome.hpp>
#include <weir/resilience/core/stripes.hpp>

namespace weir::resilience {

enum class LimitAlgorithm : std::uint8_t { gradient2, vegas };

struct AdaptiveLimitOptions {
  /// For events, descriptions and reloads. Default "adaptive_limit".
  std::string name = "adaptive_limit";
  LimitAlgorithm algorithm = LimitAlgorithm::gradient2;
  /// Calls at once to begin with. Range limit_min to limit_max. Default 20.
  int initial = 20;
  /// Range 1 to limit_max. Default 4.
  int limit_min = 4;
  /// Range 1 to 100,000. Default 200.
  int limit_max = 200;
  /// The limit changes at most once in this, Range 1 ms to 1 h. Default 1 s.
  Duration window = std::chrono::seconds(1);
  /// and only after so many calls. Range 1 to 100,000. Default 10.
  int samples_min = 10;
  /// Only of gradient2. How far one window moves the limit. Range (0, 1]. Default 0.2.
  double smoothing = 0.2;
  /// Only of gradient2. How much slower than usual is still well. Range 1 to 10. Default 1.5.
  double tolerance = 1.5;
  /// What counts as dropped. Default: errors by which the callee is unwell, and all exceptions.
  Handled handled = {};
};

Result<void> check(const AdaptiveLimitOptions& options);

/// Bounds how many calls are under way by what the callee shows that it can take, from how long
/// they last. It never waits. Each call reads the clock at its beginning and its end.
/// Threads: any.
class AdaptiveLimit {
 public:
  enum class Verdict : std::uint8_t { success, dropped, neither };

  static Result<std::unique_ptr<AdaptiveLimit>> create(const AdaptiveLimitOptions& options);
  /// Takes other bounds; the limit goes on from where it is, within them.
  Result<void> reconfigure(const AdaptiveLimitOptions& options);

  /// Whether one more call may be made.
  bool try_enter() {
    if (in_flight_.fetch_add(1, std::memory_order_relaxed) <
        limit_.load(std::memory_order_relaxed)) {
      return true;
    }
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  /// The end of one that was. `chance` is from 0 up to 1.
  void leave(Verdict verdict, Duration took, Instant now, double chance);

  int limit() const { return limit_.load(std::memory_order_relaxed); }
  int in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

 private:
  explicit AdaptiveLimit(const AdaptiveLimitOptions& options);
  void begin(double limit);
  void end_window(Instant now, double chance);

  alignas(cache_line_bytes) std::atomic<int> in_flight_{0};
  std::atomic<int> limit_{0};
  std::mutex mutex_;  // guards the rest
  AdaptiveLimitOptions options_;
  std::variant<Gradient2, Vegas> algorithm_;
  Instant window_end_{};
  Duration sum_{};
  int samples_ = 0;
  int in_flight_most_ = 0;
  bool dropped_ = false;
};

}  // namespace weir::resilience
