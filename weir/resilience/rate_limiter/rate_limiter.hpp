#pragma once

#include <array>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <weir/base/result.hpp>
#include <weir/resilience/core/stripes.hpp>
#include <weir/resilience/rate_limiter/buckets.hpp>

namespace weir::resilience {

enum class RateAlgorithm : std::uint8_t {
  token_bucket,    // permits grow steadily; `burst` of them may gather
  sliding_window,  // at most `permits` in any `per`, to a tenth of it
};

struct RateLimiterOptions {
  /// For events, descriptions and reloads. Default "rate_limiter".
  std::string name = "rate_limiter";
  RateAlgorithm algorithm = RateAlgorithm::token_bucket;
  /// Calls in `per`. Range 1 to 10,000,000. Default 100.
  int permits = 100;
  /// Range 1 ms to 24 h, at least 100 ns for each permit. Default 1 s.
  Duration per = std::chrono::seconds(1);
  /// Calls at once after a pause. Only of token_bucket. Range 1 to 10,000,000. Default: `permits`.
  std::optional<int> burst = {};
  /// Each key (Call::key) has a bucket of its own. Default false.
  bool keyed = false;
  /// Keys that are remembered; past that, the one unused for longest is forgotten and begins with a
  /// full bucket. Ignored unless keyed. Range 16 to 10,000,000. Default 10,000.
  int keys_max = 10'000;
};

Result<void> check(const RateLimiterOptions& options);

/// Bounds how many calls are made in a time. It never waits: a refusal says when to come again.
/// Threads: any. A token bucket without keys takes no lock.
class RateLimiter {
 public:
  static Result<std::unique_ptr<RateLimiter>> create(const RateLimiterOptions& options);
  /// Takes other numbers and keeps what was used up. What is keyed, and the algorithm, stay.
  Result<void> reconfigure(const RateLimiterOptions& options);

  /// `count`: what the call takes, if calls are not all alike (bytes, say). It is let through when
  /// there is one permit, and those after it wait until all that it took have grown again.
  [[gnu::always_inline]] RateAdmission admit(Instant now, std::string_view key = {},
                                             int count = 1) {
    if (lock_free_) return tokens_.admit(rate(), now, count);
    return admit_locked(now, key, count);
  }
  std::size_t keys() const;

 private:
  static constexpr std::size_t shards_count = 16;
  struct Bucket {
    std::string key;
    TokenBucket tokens;
    SlidingWindow window;
  };
  struct alignas(cache_line_bytes) Shard {
    mutable std::mutex mutex;
    std::list<Bucket> buckets;  // the last used first
    std::unordered_map<std::string_view, std::list<Bucket>::iterator> by_key;
  };

  explicit RateLimiter(const RateLimiterOptions& options);
  void apply(const RateLimiterOptions& options);
  RateAdmission admit_locked(Instant now, std::string_view key, int count);
  RateAdmission admit_to(TokenBucket& tokens, SlidingWindow& window, Instant now, int count);
  Rate rate() const {
    return {.each = Duration(each_.load(std::memory_order_relaxed)),
            .slack = Duration(slack_.load(std::memory_order_relaxed))};
  }

  const RateAlgorithm algorithm_;
  const bool keyed_;
  const bool lock_free_;
  std::atomic<Duration::rep> each_{0};
  std::atomic<Duration::rep> slack_{0};
  std::atomic<Duration::rep> per_{0};
  std::atomic<int> permits_{0};
  std::atomic<std::size_t> keys_in_shard_max_{0};
  alignas(cache_line_bytes) TokenBucket tokens_;
  SlidingWindow window_;
  std::mutex window_mutex_;
  std::array<Shard, shards_count> shards_;
};

}  // namespace weir::resilience
