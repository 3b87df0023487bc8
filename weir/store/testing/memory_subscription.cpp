#include <weir/store/testing/memory_log.hpp>

#include <atomic>
#include <optional>
#include <stop_token>

namespace weir::testing {
namespace {

/// Calls what it holds once, whoever comes first.
class OnceWake {
 public:
  explicit OnceWake(std::function<void()> wake) : wake_(std::move(wake)) {}
  void operator()() {
    if (!called_.exchange(true)) wake_();
  }

 private:
  std::atomic<bool> called_ = false;
  std::function<void()> wake_;
};

class MemorySubscription final : public Subscription {
 public:
  MemorySubscription(std::shared_ptr<MemoryLog> log, SubscribeRequest request)
      : log_(std::move(log)),
        request_(std::move(request)),
        cursor_(request_.after.value_or(Position())) {}

  Result<std::optional<SubscriptionStep>> poll(std::function<void()> wake) override {
    stop_wake_.reset();
    WEIR_TRY(check_call(request_.call, *log_->options.clock));
    const auto once = std::make_shared<OnceWake>(std::move(wake));
    {
      const std::lock_guard lock(log_->mutex);
      auto read = scan(*log_, {.query = request_.query,
                               .after = cursor_,
                               .batch_events_max = request_.batch_events_max,
                               .batch_bytes_max = request_.batch_bytes_max});
      const bool caught_up = read.cursor >= read.head;
      if (read.cursor > cursor_ || caught_up != caught_up_) {
        cursor_ = read.cursor;
        caught_up_ = caught_up;
        return std::optional(SubscriptionStep{.batch = std::move(read.batch),
                                              .head = read.head,
                                              .cursor = cursor_,
                                              .caught_up = caught_up});
      }
      log_->wakes.push_back([once] { (*once)(); });
    }
    stop_wake_.emplace(request_.call.stop, [once] { (*once)(); });
    return std::optional<SubscriptionStep>();
  }

  Position cursor() const override { return cursor_; }
  std::optional<Instant> deadline() const override { return request_.call.deadline; }

 private:
  const std::shared_ptr<MemoryLog> log_;
  const SubscribeRequest request_;
  Position cursor_;
  bool caught_up_ = false;
  std::optional<std::stop_callback<std::function<void()>>> stop_wake_;
};

}  // namespace

std::unique_ptr<Subscription> open_memory_subscription(std::shared_ptr<MemoryLog> log,
                                                       SubscribeRequest request) {
  return std::make_unique<MemorySubscription>(std::move(log), std::move(request));
}

}  // namespace weir::testing
