#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <weir/base/result.hpp>

namespace weir::resilience {

struct RetryBudgetOptions {
  /// Tokens at most, and at first. Range 1 to 1,000,000. Default 100.
  double tokens_max = 100;
  /// What a successful call gives back: retries are at most about this share of calls while all
  /// is not well. Range 0.001 to 1. Default 0.1.
  double token_ratio = 0.1;
};

/// Keeps retries from making an overload worse: a failure takes a token, a success gives back a
/// part of one, and there is no retry while half the tokens or fewer are left. The rule is that of
/// gRPC (proposal A6, "throttling retry attempts"); its numbers are in thousandths.
/// Share one between all pipelines that call the same service.
/// Threads: any; without a lock.
class RetryBudget {
 public:
  static Result<std::unique_ptr<RetryBudget>> create(const RetryBudgetOptions& options);

  void succeeded() {
    auto tokens = tokens_.load(std::memory_order_relaxed);
    if (tokens >= max_) return;  // nearly always
    give_back(tokens);
  }
  void failed();
  bool may_retry() const { return tokens_.load(std::memory_order_relaxed) > max_ / 2; }
  double tokens() const;

 private:
  explicit RetryBudget(const RetryBudgetOptions& options);
  void give_back(std::int64_t tokens);

  const std::int64_t max_;
  const std::int64_t ratio_;
  std::atomic<std::int64_t> tokens_;
};

}  // namespace weir::resilience
