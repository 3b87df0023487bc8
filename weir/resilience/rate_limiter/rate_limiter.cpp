#include <weir/resilience/rate_limiter/rate_limiter.hpp>

#include <functional>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;

Result<void> check(const RateLimiterOptions& options) {
  return Check(options.name)
      .in("permits", options.permits, 1, 10'000'000)
      .in("per", options.per, 1ms, 24h)
      .that(options.per / std::max(1, options.permits) >= 100ns, "per",
            "less than 100 ns for each permit")
      .in_if<double>("burst", options.burst, 1, 10'000'000)
      .in("keys_max", options.keys_max, 16, 10'000'000)
      .result();
}

Result<std::unique_ptr<RateLimiter>> RateLimiter::create(const RateLimiterOptions& options) {
  WEIR_TRY(check(options));
  return std::unique_ptr<RateLimiter>(new RateLimiter(options));
}

RateLimiter::RateLimiter(const RateLimiterOptions& options)
    : algorithm_(options.algorithm),
      keyed_(options.keyed),
      lock_free_(!options.keyed && options.algorithm == RateAlgorithm::token_bucket) {
  apply(options);
}

void RateLimiter::apply(const RateLimiterOptions& options) {
  const auto each = options.per / options.permits;
  each_ = each.count();
  slack_ = each.count() * (options.burst.value_or(options.permits) - 1);
  per_ = options.per.count();
  permits_ = options.permits;
  keys_in_shard_max_ = static_cast<std::size_t>(options.keys_max) / shards_count;
}

Result<void> RateLimiter::reconfigure(const RateLimiterOptions& options) {
  WEIR_TRY(check(options));
  WEIR_TRY(Check(options.name)
               .that(options.algorithm == algorithm_, "algorithm", "cannot change in a reload")
               .that(options.keyed == keyed_, "keyed", "cannot change in a reload")
               .result());
  apply(options);
  return {};
}

RateAdmission RateLimiter::admit_to(TokenBucket& tokens, SlidingWindow& window, Instant now,
                                    int count) {
  if (algorithm_ == RateAlgorithm::token_bucket) return tokens.admit(rate(), now, count);
  return window.admit(permits_.load(), Duration(per_.load()), now, count);
}

RateAdmission RateLimiter::admit_locked(Instant now, std::string_view key, int count) {
  if (!keyed_) {
    const std::lock_guard lock(window_mutex_);
    return admit_to(tokens_, window_, now, count);
  }
  Shard& shard = shards_[std::hash<std::string_view>()(key) % shards_count];
  const std::lock_guard lock(shard.mutex);
  auto& buckets = shard.buckets;
  if (const auto found = shard.by_key.find(key); found != shard.by_key.end()) {
    buckets.splice(buckets.begin(), buckets, found->second);
  } else {
    while (buckets.size() >= keys_in_shard_max_.load()) {
      shard.by_key.erase(buckets.back().key);
      buckets.pop_back();
    }
    buckets.emplace_front();
    buckets.front().key = key;
    shard.by_key.emplace(buckets.front().key, buckets.begin());
  }
  return admit_to(buckets.front().tokens, buckets.front().window, now, count);
}

std::size_t RateLimiter::keys() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    count += shard.buckets.size();
  }
  return count;
}

}  // namespace weir::resilience
