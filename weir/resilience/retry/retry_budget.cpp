#include <weir/resilience/retry/retry_budget.hpp>

#include <algorithm>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {
namespace {

constexpr std::int64_t whole_token = 1000;

}  // namespace

Result<std::unique_ptr<RetryBudget>> RetryBudget::create(const RetryBudgetOptions& options) {
  WEIR_TRY(Check("retry_budget")
               .in("tokens_max", options.tokens_max, 1, 1'000'000)
               .in("token_ratio", options.token_ratio, 0.001, 1)
               .result());
  return std::unique_ptr<RetryBudget>(new RetryBudget(options));
}

RetryBudget::RetryBudget(const RetryBudgetOptions& options)
    : max_(static_cast<std::int64_t>(options.tokens_max * whole_token)),
      ratio_(static_cast<std::int64_t>(options.token_ratio * whole_token)),
      tokens_(max_) {}

void RetryBudget::give_back(std::int64_t tokens) {
  while (tokens < max_ && !tokens_.compare_exchange_weak(tokens, std::min(max_, tokens + ratio_),
                                                         std::memory_order_relaxed)) {
  }
}

void RetryBudget::failed() {
  auto tokens = tokens_.load(std::memory_order_relaxed);
  while (tokens > 0 &&
         !tokens_.compare_exchange_weak(tokens, std::max<std::int64_t>(0, tokens - whole_token),
                                        std::memory_order_relaxed)) {
  }
}

double RetryBudget::tokens() const {
  return static_cast<double>(tokens_.load(std::memory_order_relaxed)) / whole_token;
}

}  // namespace weir::resilience
